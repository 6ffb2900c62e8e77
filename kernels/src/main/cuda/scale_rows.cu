// SPDX-License-Identifier: Apache-2.0
// x[t] = x[t] · factors[positions[t]]. Grid: (rows, tiles of columns); any number of threads.
#include "ls_types.cuh"

// A row whose position is not below `count` is left as it is.
#define SCALE_ROWS_FIELDS(F) F(View, x) F(const float*, factors) F(const int32_t*, positions) F(int64_t, count) F(Report, report)
LS_STRUCT(ScaleRowsParams, SCALE_ROWS_FIELDS, 64)

LS_KERNEL(scale_rows, ScaleRowsParams) {
  int position = p.positions[blockIdx.x];
  if (!in_range(p.report, blockIdx.x, position, p.count)) return;
  float factor = p.factors[position];
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, to_float(x[c]) * factor);
  }
}
