// SPDX-License-Identifier: Apache-2.0
// Sixteen floats at a time. The Java twins do the same arithmetic lane by lane, so they compute the
// same bits; every operation here is one that IEEE 754 rounds exactly.
#pragma once

#include <cstring>
#include <utility>

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

// In as many registers as the instruction set needs.
struct Lanes {
  vec::Floats part[PARTS];
};

template <typename Function, int... P>
__attribute__((always_inline)) inline Lanes each_part(Function function, std::integer_sequence<int, P...>) {
  return {{function(P)...}};
}

// Lanes whose part p is function(p). Not a loop, through which gcc 12 would pass the parts in memory.
template <typename Function>
__attribute__((always_inline)) inline Lanes each_part(Function function) {
  return each_part(function, std::make_integer_sequence<int, PARTS>());
}

inline Lanes broadcast(float x) {
  return each_part([&](int) { return vec::broadcast(x); });
}
inline Lanes load(const float* at) {
  return each_part([&](int p) { return vec::load(at + p * vec::WIDTH); });
}
inline Lanes load(const Half* at) {
  return each_part([&](int p) { return vec::load_f16(at + p * vec::WIDTH); });
}
inline Lanes load(const Brain* at) {
  return each_part([&](int p) { return vec::load_bf16(at + p * vec::WIDTH); });
}
inline Lanes load_signed_bytes(const int8_t* at) {
  return each_part([&](int p) { return vec::to_floats(vec::load_signed_bytes(at + p * vec::WIDTH)); });
}
inline void store(float* at, Lanes a) {
  for (int p = 0; p < PARTS; p++) vec::store(at + p * vec::WIDTH, a.part[p]);
}
// The first `count` lanes; the others read as zero, or are not written.
inline Lanes load_first(const float* at, int count) {
  return each_part([&](int p) { return vec::load_first(at + p * vec::WIDTH, count - p * vec::WIDTH); });
}
inline void store_first(float* at, Lanes a, int count) {
  for (int p = 0; p < PARTS; p++) vec::store_first(at + p * vec::WIDTH, a.part[p], count - p * vec::WIDTH);
}
inline Lanes add(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::add(a.part[p], b.part[p]); });
}
inline Lanes subtract(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::subtract(a.part[p], b.part[p]); });
}
inline Lanes multiply(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::multiply(a.part[p], b.part[p]); });
}
inline Lanes divide(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::divide(a.part[p], b.part[p]); });
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return each_part([&](int p) { return vec::fma(a.part[p], b.part[p], c.part[p]); });
}
// The second argument where the two are unordered.
inline Lanes minimum(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::minimum(a.part[p], b.part[p]); });
}
inline Lanes maximum(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::maximum(a.part[p], b.part[p]); });
}
// Lanes from `count` on become `other`.
inline Lanes keep_first(Lanes a, int count, Lanes other) {
  return each_part([&](int p) { return vec::select(vec::first(count - p * vec::WIDTH), a.part[p], other.part[p]); });
}
// Lanes [from, to) stay, the others become `other`.
inline Lanes keep_range(Lanes a, int from, int to, Lanes other) {
  return each_part([&](int p) {
    return vec::select(vec::range(from - p * vec::WIDTH, to - p * vec::WIDTH), a.part[p], other.part[p]);
  });
}
// `yes` where x < limit, else `no`.
inline Lanes where_below(Lanes x, Lanes limit, Lanes yes, Lanes no) {
  return each_part(
    [&](int p) { return vec::select(vec::below(x.part[p], limit.part[p]), yes.part[p], no.part[p]); });
}
inline Lanes zero_below(Lanes x, Lanes limit, Lanes a) { return where_below(x, limit, broadcast(0), a); }
inline Lanes magnitude(Lanes a) {
  return each_part([&](int p) { return vec::magnitude(a.part[p]); });
}
// a with the sign of b.
inline Lanes with_sign(Lanes a, Lanes b) {
  return each_part([&](int p) { return vec::with_sign(a.part[p], b.part[p]); });
}
// a · 2^n, where the low bits of `shifted` hold the integer n.
inline Lanes scale_by_power(Lanes a, Lanes shifted) {
  return each_part([&](int p) {
    vec::Ints power = vec::shift_left<23>(vec::as_ints(shifted.part[p]));
    return vec::as_floats(vec::add(vec::as_ints(a.part[p]), power));
  });
}
inline float largest(Lanes a) {
  vec::Floats greatest = a.part[0];
  for (int p = 1; p < PARTS; p++) greatest = vec::maximum(greatest, a.part[p]);
  return vec::largest(greatest);
}
// Whether any lane of a is above that of b.
inline bool any_above(Lanes a, Lanes b) {
  unsigned above = 0;
  for (int p = 0; p < PARTS; p++) above |= vec::bits(vec::above(a.part[p], b.part[p]));
  return above != 0;
}

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
