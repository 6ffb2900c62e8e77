// SPDX-License-Identifier: Apache-2.0
// Layer norm of rows. Grid: rows; whole warps.
#include "ls_reduce.cuh"

// out = (x - mean) / sqrt(variance + epsilon) · weight + bias; out may be x.
#define LAYER_NORM_FIELDS(F) F(View, x) F(const float*, weight) F(const float*, bias) F(View, out) F(float, epsilon) F(int32_t, unused)
LS_STRUCT(LayerNormParams, LAYER_NORM_FIELDS, 72)

LS_KERNEL(layer_norm, LayerNormParams) {
  __shared__ float sums[LS_WARPS];
  const ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  ACTIVATION* out = row_of<ACTIVATION>(p.out, blockIdx.x);
  int columns = p.x.columns;
  float sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += to_float(x[c]);
  float mean = block_sum(sum, sums) / static_cast<float>(columns);
  float squares = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    float a = to_float(x[c]) - mean;
    squares = fmaf(a, a, squares);
  }
  float factor = 1.0f / sqrtf(block_sum(squares, sums) / static_cast<float>(columns) + p.epsilon);
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    put(out + c, fmaf((to_float(x[c]) - mean) * factor, p.weight[c], p.bias[c]));
  }
}
