// SPDX-License-Identifier: Apache-2.0
// Sixteen floats at a time. The Java twins do the same arithmetic lane by lane, so they compute the
// same bits; every operation here is one that IEEE 754 rounds exactly.
#pragma once

#include <cstring>

#include "lockstep.h"

namespace lockstep {

constexpr int LANES = 16;

// 16-bit storage types, distinct from integers.
struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

struct Lanes {
  __m512 v;
};

inline Lanes broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Lanes load(const Half* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Lanes load(const Brain* p) {
  __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
inline Lanes load_signed_bytes(const int8_t* p) {
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
inline void store(float* p, Lanes a) { _mm512_storeu_ps(p, a.v); }
// The first `count` lanes; the others read as zero, or are not written.
inline Lanes load_first(const float* p, int count) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p)};
}
inline void store_first(float* p, Lanes a, int count) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), a.v);
}
inline Lanes add(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes subtract(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes multiply(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes divide(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// The second argument where the two are unordered.
inline Lanes minimum(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Lanes maximum(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
// Lanes from `count` on become `other`.
inline Lanes keep_first(Lanes a, int count, Lanes other) {
  return {_mm512_mask_blend_ps(static_cast<__mmask16>((1u << count) - 1), other.v, a.v)};
}
// Lanes [from, to) stay, the others become `other`.
inline Lanes keep_range(Lanes a, int from, int to, Lanes other) {
  __mmask16 mask = static_cast<__mmask16>(((1u << to) - 1) & ~((1u << from) - 1));
  return {_mm512_mask_blend_ps(mask, other.v, a.v)};
}
// Zero where x < limit.
inline Lanes zero_below(Lanes x, Lanes limit, Lanes a) {
  __mmask16 below = _mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ);
  return {_mm512_mask_mov_ps(a.v, below, _mm512_setzero_ps())};
}
inline Lanes magnitude(Lanes a) { return {_mm512_abs_ps(a.v)}; }
// `below` where x < limit, else `other`.
inline Lanes where_below(Lanes x, Lanes limit, Lanes below, Lanes other) {
  __mmask16 mask = _mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ);
  return {_mm512_mask_blend_ps(mask, other.v, below.v)};
}
// a with the sign of b.
inline Lanes with_sign(Lanes a, Lanes b) {
  __m512i sign = _mm512_set1_epi32(INT32_MIN);
  return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(b.v),
                                                        _mm512_castps_si512(a.v), 0xCA))};
}
// a · 2^n, where the low bits of `shifted` hold the integer n.
inline Lanes scale_by_power(Lanes a, Lanes shifted) {
  __m512i power = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), power))};
}
inline float largest(Lanes a) { return _mm512_reduce_max_ps(a.v); }

// Lane i with lane i + 8, then i + 4, i + 2, i + 1: the only order in which lanes are summed.
inline float sum(Lanes a) {
  float x[LANES];
  store(x, a);
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) {
      x[i] += x[i + half];
    }
  }
  return x[0];
}

// e^x within 2 ulp in [-87, 88]; 0 below, e^88 above.
// x = n·ln 2 + r; adding 1.5·2^23 rounds x / ln 2 to n, half to even, and leaves n in the low bits.
inline Lanes exponential(Lanes x) {
  const Lanes shift = broadcast(0x1.8p23f);
  Lanes bounded = minimum(broadcast(88.0f), x);
  Lanes shifted = fma(bounded, broadcast(0x1.715476p0f), shift);
  Lanes n = subtract(shifted, shift);
  Lanes r = fma(n, broadcast(-0x1.62e43p-1f), bounded);
  r = fma(n, broadcast(0x1.05c61p-29f), r);
  Lanes p = fma(broadcast(0x1.6d113ep-10f), r, broadcast(0x1.120ba2p-7f));
  p = fma(p, r, broadcast(0x1.55551ap-5f));
  p = fma(p, r, broadcast(0x1.5554dcp-3f));
  p = fma(p, r, broadcast(0.5f));
  p = fma(multiply(r, r), p, add(r, broadcast(1.0f)));
  return zero_below(x, broadcast(-87.0f), scale_by_power(p, shifted));
}

// tanh x within 2 ulp: near 0 an odd polynomial fitted at Chebyshev nodes, else from e^2|x|.
inline Lanes hyperbolic_tangent(Lanes x) {
  Lanes a = magnitude(x);
  Lanes s = multiply(a, a);
  Lanes p = fma(broadcast(-0x1.8c2d0ap-8f), s, broadcast(0x1.576e3p-6f));
  p = fma(p, s, broadcast(-0x1.b91582p-5f));
  p = fma(p, s, broadcast(0x1.110dd8p-3f));
  p = fma(p, s, broadcast(-0x1.555552p-2f));
  Lanes near = fma(multiply(s, p), a, a);
  Lanes e = exponential(add(a, a));
  Lanes far = subtract(broadcast(1), divide(broadcast(2), add(e, broadcast(1))));
  return with_sign(where_below(a, broadcast(0.625f), near, far), x);
}

inline Lanes soft_cap(Lanes x, Lanes cap) {
  return multiply(cap, hyperbolic_tangent(divide(x, cap)));
}

}  // namespace lockstep
