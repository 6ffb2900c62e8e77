// SPDX-License-Identifier: Apache-2.0
// x = cap · tanh(x / cap). Grid: (rows, tiles of columns); any number of threads.
#include "ls_math.cuh"

#define SOFT_CAP_FIELDS(F) F(View, x) F(float, cap) F(int32_t, unused)
LS_STRUCT(SoftCapParams, SOFT_CAP_FIELDS, 32)

LS_KERNEL(soft_cap, SoftCapParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, soft_cap_of(to_float(x[c]), p.cap));
  }
}
