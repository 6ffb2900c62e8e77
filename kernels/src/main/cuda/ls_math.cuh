// SPDX-License-Identifier: Apache-2.0
// The functions of one float that kernels use, by the formulas of the CPU kernels (lanes.h, activate.cpp).
#pragma once

#include "ls_types.cuh"

// e^x within 2 ulp in [-87, 88]; 0 below, e^88 above.
// x = n·ln 2 + r; adding 1.5·2^23 rounds x / ln 2 to n, half to even, and leaves n in the low bits.
__device__ __forceinline__ float exponential(float x) {
  float bounded = x > 88.0f ? 88.0f : x;
  float shifted = fmaf(bounded, 0x1.715476p0f, 0x1.8p23f);
  float n = shifted - 0x1.8p23f;
  float r = fmaf(n, -0x1.62e43p-1f, bounded);
  r = fmaf(n, 0x1.05c61p-29f, r);
  float p = fmaf(0x1.6d113ep-10f, r, 0x1.120ba2p-7f);
  p = fmaf(p, r, 0x1.55551ap-5f);
  p = fmaf(p, r, 0x1.5554dcp-3f);
  p = fmaf(p, r, 0.5f);
  p = fmaf(r * r, p, r + 1.0f);
  unsigned power = __float_as_uint(shifted) << 23;
  return x < -87.0f ? 0.0f : __uint_as_float(__float_as_uint(p) + power);
}

// tanh x within 2 ulp.
__device__ __forceinline__ float hyperbolic_tangent(float x) {
  float a = fabsf(x);
  if (a < 0.625f) {
    float s = a * a;
    float p = fmaf(-0x1.8c2d0ap-8f, s, 0x1.576e3p-6f);
    p = fmaf(p, s, -0x1.b91582p-5f);
    p = fmaf(p, s, 0x1.110dd8p-3f);
    p = fmaf(p, s, -0x1.555552p-2f);
    return copysignf(fmaf(s * p, a, a), x);
  }
  return copysignf(1.0f - 2.0f / (exponential(a + a) + 1.0f), x);
}

__device__ __forceinline__ float soft_cap_of(float x, float cap) { return cap * hyperbolic_tangent(x / cap); }

// Numbered as the enum Activation of the host.
enum ActivationKind { SILU, GELU_TANH, GELU_ERF, CLAMPED_SWIGLU, RELU_SQUARED };

// x times the logistic function of y.
__device__ __forceinline__ float logistic_share(float x, float y) { return x / (exponential(0.0f - y) + 1.0f); }

// erfc(z) for z >= 0: e^-z² · t · polynomial(t), t = 1 / (1 + z/2).
__device__ __forceinline__ float complement(float z) {
  float t = 1.0f / fmaf(z, 0.5f, 1.0f);
  float p = fmaf(-0x1.e61912p-5f, t, 0x1.24d7dap-2f);
  p = fmaf(p, t, -0x1.f60aecp-2f);
  p = fmaf(p, t, 0x1.208106p-2f);
  p = fmaf(p, t, -0x1.deec1cp-6f);
  p = fmaf(p, t, 0x1.a16314p-3f);
  p = fmaf(p, t, 0x1.f14dc2p-3f);
  p = fmaf(p, t, 0x1.2130c6p-2f);
  p = fmaf(p, t, 0x1.20dabcp-2f);
  return exponential(0.0f - z * z) * t * p;
}

__device__ __forceinline__ float activated(int kind, float x) {
  switch (kind) {
    case SILU:
      return logistic_share(x, x);
    case GELU_TANH:
      return logistic_share(x, 0x1.988454p0f * fmaf(0.044715f * (x * x), x, x));
    case RELU_SQUARED: {
      float positive = x < 0.0f ? 0.0f : x;
      return positive * positive;
    }
    default: {
      float half = 0.5f * complement(fabsf(x) * 0x1.6a09e6p-1f);
      return x * (x < 0.0f ? half : 1.0f - half);
    }
  }
}

// The activation of the gate times the up projection, or the function of both.
__device__ __forceinline__ float gated(int kind, float gate, float up) {
  if (kind != CLAMPED_SWIGLU) return activated(kind, gate) * up;
  float g = 7.0f < gate ? 7.0f : gate;
  float u = up < -7.0f ? -7.0f : 7.0f < up ? 7.0f : up;
  return logistic_share(g, 1.702f * g) * (u + 1.0f);
}
