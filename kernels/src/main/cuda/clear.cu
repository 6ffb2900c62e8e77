// SPDX-License-Identifier: Apache-2.0
// Sets elements to 0. Grid: (rows, tiles of columns); any number of threads.
#include "ls_types.cuh"

#define CLEAR_FIELDS(F) F(View, x)
LS_STRUCT(ClearParams, CLEAR_FIELDS, 24)

LS_KERNEL(clear, ClearParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) put(x + c, 0.0f);
}
