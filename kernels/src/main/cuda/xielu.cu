// SPDX-License-Identifier: Apache-2.0
// x = positive · x² + beta · x above 0, negative · (e^min(x, epsilon) - 1 - x) + beta · x elsewhere.
// Grid: (rows, tiles of columns); any number of threads.
#include "ls_math.cuh"

#define XIELU_FIELDS(F) F(View, x) F(float, positive) F(float, negative) F(float, beta) F(float, epsilon)
LS_STRUCT(XieluParams, XIELU_FIELDS, 40)

LS_KERNEL(xielu, XieluParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    float a = to_float(x[c]);
    float linear = p.beta * a;
    float small = a < p.epsilon ? a : p.epsilon;
    float curve = exponential(small) - 1.0f - a;
    put(x + c, a > 0.0f ? fmaf(p.positive * a, a, linear) : fmaf(p.negative, curve, linear));
  }
}
