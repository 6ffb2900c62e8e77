// SPDX-License-Identifier: Apache-2.0
// Root mean square norm of rows. Grid: rows; whole warps.
#include "ls_norm.cuh"

// out = x / sqrt(mean(x²) + epsilon) · weight; out may be x.
#define RMS_NORM_FIELDS(F) F(View, x) F(const float*, weight) F(View, out) F(float, epsilon) F(int32_t, unused)
LS_STRUCT(RmsNormParams, RMS_NORM_FIELDS, 64)

LS_KERNEL(rms_norm, RmsNormParams) {
  __shared__ float sums[LS_WARPS];
  const ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  normalize(x, p.x.columns, rms_factor(x, p.x.columns, p.epsilon, sums), p.weight, row_of<ACTIVATION>(p.out, blockIdx.x));
}
