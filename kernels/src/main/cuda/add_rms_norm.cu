// SPDX-License-Identifier: Apache-2.0
// Addition to the residual, and its norm. Grid: rows; whole warps.
#include "ls_norm.cuh"

// residual += x, then out = rms_norm(residual); out may be x. The sum is rounded to ACTIVATION before the norm reads it.
#define ADD_RMS_NORM_FIELDS(F) F(View, x) F(View, residual) F(const float*, weight) F(View, out) F(float, epsilon) F(int32_t, unused)
LS_STRUCT(AddRmsNormParams, ADD_RMS_NORM_FIELDS, 88)

LS_KERNEL(add_rms_norm, AddRmsNormParams) {
  __shared__ float sums[LS_WARPS];
  const ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  ACTIVATION* residual = row_of<ACTIVATION>(p.residual, blockIdx.x);
  int columns = p.x.columns;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) put(residual + c, to_float(residual[c]) + to_float(x[c]));
  normalize(residual, columns, rms_factor(residual, columns, p.epsilon, sums), p.weight, row_of<ACTIVATION>(p.out, blockIdx.x));
}
