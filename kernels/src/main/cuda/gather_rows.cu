// SPDX-License-Identifier: Apache-2.0
// out[i] = x[rows[i]]. Grid: (rows of out, tiles of columns); any number of threads.
#include "ls_types.cuh"

// A row of `out` whose number is out of range is not written.
#define GATHER_ROWS_FIELDS(F) F(View, x) F(const int32_t*, rows) F(View, out) F(Report, report)
LS_STRUCT(GatherRowsParams, GATHER_ROWS_FIELDS, 72)

LS_KERNEL(gather_rows, GatherRowsParams) {
  int row = p.rows[blockIdx.x];
  if (!in_range(p.report, blockIdx.x, row, p.x.rows)) return;
  const ACTIVATION* x = row_of<ACTIVATION>(p.x, row);
  ACTIVATION* out = row_of<ACTIVATION>(p.out, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.out.columns; c += gridDim.y * blockDim.x) out[c] = x[c];
}
