// SPDX-License-Identifier: Apache-2.0
// x = x · factor. Grid: (rows, tiles of columns); any number of threads.
#include "ls_types.cuh"

#define SCALE_FIELDS(F) F(View, x) F(float, factor) F(int32_t, unused)
LS_STRUCT(ScaleParams, SCALE_FIELDS, 32)

LS_KERNEL(scale, ScaleParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, to_float(x[c]) * p.factor);
  }
}
