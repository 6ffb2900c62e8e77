// SPDX-License-Identifier: Apache-2.0
// out = activation(x); out may be x. Grid: (rows, tiles of columns); any number of threads.
#include "ls_math.cuh"

#define ACTIVATE_FIELDS(F) F(View, x) F(View, out) F(int32_t, kind) F(int32_t, unused)
LS_STRUCT(ActivateParams, ACTIVATE_FIELDS, 56)

LS_KERNEL(activate, ActivateParams) {
  const ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  ACTIVATION* out = row_of<ACTIVATION>(p.out, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(out + c, activated(p.kind, to_float(x[c])));
  }
}
