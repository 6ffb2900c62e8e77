// SPDX-License-Identifier: Apache-2.0
// Norm of columns that are split over ranks, in place. Grid: rows; any number of threads.
#include "ls_norm.cuh"

// x = x / sqrt(sums / count + epsilon) · weight; sums F32.
#define NORMALIZE_BY_SUMS_FIELDS(F) F(View, x) F(View, sums) F(const float*, weight) F(int32_t, count) F(float, epsilon)
LS_STRUCT(NormalizeBySumsParams, NORMALIZE_BY_SUMS_FIELDS, 64)

LS_KERNEL(normalize_by_sums, NormalizeBySumsParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  float mean = *row_of<float>(p.sums, blockIdx.x) / static_cast<float>(p.count);
  normalize(x, p.x.columns, 1.0f / sqrtf(mean + p.epsilon), p.weight, x);
}
