// SPDX-License-Identifier: Apache-2.0
// Gates over states, in place. Grid: (rows, tiles of heads); any number of threads.
#include "ls_math.cuh"

// gates [rows, 2 · heads] F32: what the projections gave, then the share of a token in the state and what that keeps.
// rate, bias [heads]; steps: whether the share is the step.
#define DECAY_FIELDS(F) \
  F(View, gates) F(const float*, rate) F(const float*, bias) F(float, least) F(float, most) F(int32_t, steps) F(int32_t, unused)
LS_STRUCT(DecayParams, DECAY_FIELDS, 56)

namespace {

// log(1 + e^x) = max(x, 0) + log(1 + y) with y = e^-|x|, and log(1 + y) = 2 artanh(s) with s = y / (2 + y) <= 1/3.
__device__ __forceinline__ float softplus(float x) {
  float y = exponential(-fabsf(x));
  float s = y / (y + 2.0f);
  float t = s * s;
  float p = fmaf(1.0f / 15, t, 1.0f / 13);
  p = fmaf(p, t, 1.0f / 11);
  p = fmaf(p, t, 1.0f / 9);
  p = fmaf(p, t, 1.0f / 7);
  p = fmaf(p, t, 1.0f / 5);
  p = fmaf(p, t, 1.0f / 3);
  p = fmaf(p, t, 1.0f);
  return fmaf(2.0f * s, p, x < 0.0f ? 0.0f : x);
}

}  // namespace

LS_KERNEL(decay, DecayParams) {
  int heads = p.gates.columns / 2;
  float* shares = row_of<float>(p.gates, blockIdx.x);
  for (int h = blockIdx.y * blockDim.x + threadIdx.x; h < heads; h += gridDim.y * blockDim.x) {
    float step = softplus(shares[heads + h] + p.bias[h]);
    step = step < p.least ? p.least : step > p.most ? p.most : step;
    shares[heads + h] = exponential(p.rate[h] * step);
    shares[h] = p.steps ? step : logistic_share(1.0f, shares[h]);
  }
}
