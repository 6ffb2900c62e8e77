// SPDX-License-Identifier: Apache-2.0
// Addition of what a gate lets through, in place. Grid: (rows, tiles of columns); any number of threads.
#include "ls_math.cuh"

// x += y / (1 + e^-logit), logits [rows, 1] F32.
#define ADD_GATED_FIELDS(F) F(View, x) F(View, y) F(View, logits)
LS_STRUCT(AddGatedParams, ADD_GATED_FIELDS, 72)

LS_KERNEL(add_gated, AddGatedParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  const ACTIVATION* y = row_of<const ACTIVATION>(p.y, blockIdx.x);
  float share = 1.0f / (exponential(0.0f - row_of<const float>(p.logits, blockIdx.x)[0]) + 1.0f);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, fmaf(share, to_float(y[c]), to_float(x[c])));
  }
}
