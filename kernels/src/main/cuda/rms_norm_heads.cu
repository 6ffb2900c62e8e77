// SPDX-License-Identifier: Apache-2.0
// Root mean square norm of every head of a row, in place. Grid: (rows, heads); whole warps.
#include "ls_norm.cuh"

#define RMS_NORM_HEADS_FIELDS(F) F(View, x) F(const float*, weight) F(int32_t, head_size) F(float, epsilon)
LS_STRUCT(RmsNormHeadsParams, RMS_NORM_HEADS_FIELDS, 40)

LS_KERNEL(rms_norm_heads, RmsNormHeadsParams) {
  __shared__ float sums[LS_WARPS];
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x) + static_cast<int64_t>(blockIdx.y) * p.head_size;
  normalize(x, p.head_size, rms_factor(x, p.head_size, p.epsilon, sums), p.weight, x);
}
