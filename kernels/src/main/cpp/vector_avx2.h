// SPDX-License-Identifier: Apache-2.0
// The operations of vector.h in AVX2 with FMA and F16C, and AVX-VNNI where the compiler may use it.
#pragma once

#include <immintrin.h>

namespace vec {

constexpr int WIDTH = 8, REGISTERS = 16, TOKENS = 4;

using Floats = __m256;
using Ints = __m256i;
using Mask = __m256i;

inline float f16_to_float(uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }
inline uint16_t float_to_f16(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }

inline Floats broadcast(float x) { return _mm256_set1_ps(x); }
inline Floats load(const float* p) { return _mm256_loadu_ps(p); }
inline Floats load_f16(const void* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
inline Floats load_bf16(const void* p) {
  __m128i bits = _mm_loadu_si128((const __m128i*)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
// Codes of E4M3 as their values · 2^-8: sign and magnitude, moved to those of an f16. No code is a NaN.
inline Floats load_e4m3(const void* p) {
  __m128i codes = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i*)p)), 7);
  return _mm256_cvtph_ps(_mm_and_si128(codes, _mm_set1_epi16((short)0xBFFF)));
}
inline void store(float* p, Floats a) { _mm256_storeu_ps(p, a); }

inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
// c − a·b
inline Floats subtract_product(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
// The second argument where the two are unordered.
inline Floats minimum(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats maximum(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats magnitude(Floats a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
// a with the sign of b.
inline Floats with_sign(Floats a, Floats b) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_and_ps(sign, b), _mm256_andnot_ps(sign, a));
}
inline float largest(Floats a) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline Ints ints(int32_t x) { return _mm256_set1_epi32(x); }
inline Ints lane_numbers() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
inline Floats as_floats(Ints a) { return _mm256_castsi256_ps(a); }
inline Ints as_ints(Floats a) { return _mm256_castps_si256(a); }

// Lanes below `count`, which may lie outside the register.
inline Mask first(int count) { return _mm256_cmpgt_epi32(ints(count), lane_numbers()); }
inline Mask range(int from, int to) { return _mm256_andnot_si256(first(from), first(to)); }
inline Mask below(Floats a, Floats b) { return as_ints(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
inline Mask above(Floats a, Floats b) { return as_ints(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
inline Mask at_least(Floats a, Floats b) { return as_ints(_mm256_cmp_ps(a, b, _CMP_GE_OQ)); }
inline Mask ordered(Floats a) { return as_ints(_mm256_cmp_ps(a, a, _CMP_ORD_Q)); }
inline Mask both(Mask a, Mask b) { return _mm256_and_si256(a, b); }
// A bit for each lane.
inline unsigned bits(Mask mask) { return (unsigned)_mm256_movemask_ps(as_floats(mask)); }
inline Floats select(Mask mask, Floats yes, Floats no) { return _mm256_blendv_ps(no, yes, as_floats(mask)); }
inline Ints select(Mask mask, Ints yes, Ints no) { return _mm256_blendv_epi8(no, yes, mask); }
// The first `count` lanes; the others read as zero, or are not written.
inline Floats load_first(const float* p, int count) { return _mm256_maskload_ps(p, first(count)); }
inline void store_first(float* p, Floats a, int count) { _mm256_maskstore_ps(p, first(count), a); }

inline Ints load_ints(const void* aligned) { return _mm256_load_si256((const __m256i*)aligned); }
inline void store(int32_t* p, Ints a) { _mm256_storeu_si256((__m256i*)p, a); }
// Writes the lanes of a mask one after another.
inline void store_selected(int32_t* p, Ints a, Mask mask) {
  int32_t lanes[WIDTH];
  store(lanes, a);
  for (unsigned rest = bits(mask); rest != 0; rest &= rest - 1) {
    *p++ = lanes[__builtin_ctz(rest)];
  }
}
inline Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
inline Ints multiply(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
inline Ints maximum(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
inline Ints bit_and(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints bit_or(Ints a, Ints b) { return _mm256_or_si256(a, b); }
inline Ints bit_xor(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
template <int N>
inline Ints shift_left(Ints a) { return _mm256_slli_epi32(a, N); }
template <int N>
inline Ints shift_right_signed(Ints a) { return _mm256_srai_epi32(a, N); }
inline int32_t largest(Ints a) {
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}
inline int32_t sum(Ints a) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}
inline Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }
// Both halves are exact, so that their sum is the only rounding.
inline Floats unsigned_to_floats(Ints a) {
  __m256 high = _mm256_cvtepi32_ps(_mm256_srli_epi32(a, 16));
  return fma(high, broadcast(65536), _mm256_cvtepi32_ps(_mm256_and_si256(a, ints(0xFFFF))));
}
// Half to even.
inline Ints to_ints(Floats a) { return _mm256_cvtps_epi32(a); }
// Products of 32 by 32 bits.
inline void multiply_wide(Ints a, uint32_t factor, Ints* high, Ints* low) {
  __m256i b = ints((int)factor);
  __m256i even = _mm256_mul_epu32(a, b);
  __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), b);
  *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}

// A byte for each lane.
inline Ints load_bytes(const void* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
inline Ints load_signed_bytes(const void* p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
inline void store_signed_bytes(int8_t* p, Ints a) {
  __m128i pairs = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  _mm_storel_epi64((__m128i*)p, _mm_packs_epi16(pairs, pairs));
}
// Two bytes for each lane, as 16-bit numbers.
inline Ints load_pairs(const void* p) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)p)); }
inline Ints load_signed_pairs(const void* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p)); }
template <int N>
inline Ints shift_right_pairs(Ints a) { return _mm256_srli_epi16(a, N); }
template <int N>
inline Ints shift_left_pairs(Ints a) { return _mm256_slli_epi16(a, N); }
// Σ of the two products of a lane's signed 16-bit numbers.
inline Ints multiply_pairs(Ints a, Ints b) { return _mm256_madd_epi16(a, b); }

inline Ints load_unaligned(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline Ints bytes(int x) { return _mm256_set1_epi8((char)x); }
inline Ints pairs(int x) { return _mm256_set1_epi16((short)x); }
// Table entries of bytes below 16.
inline Ints look_up(const uint8_t* table, Ints indices) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)table)), indices);
}
// Table entries of the lowest 4 bits of each lane.
inline Floats look_up(const float* table, Ints lanes) {
  __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), lanes);
  __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), lanes);
  return _mm256_blendv_ps(low, high, as_floats(_mm256_slli_epi32(lanes, 28)));
}

inline Ints add_bytes(Ints a, Ints b) { return _mm256_add_epi8(a, b); }
inline Ints subtract_bytes(Ints a, Ints b) { return _mm256_sub_epi8(a, b); }
// Table entries of 8 bytes, one for each lane: bytes 0 to 3, and 4 to 7.
template <class Index>
inline void look_up_eight(const uint64_t* table, const Index* indices, Ints& first, Ints& second) {
  // Broadcasts from memory and blends need no shuffles.
  auto entry = [&](int lane) __attribute__((always_inline)) { return _mm256_set1_epi64x((long long)table[indices[lane]]); };
  auto four = [&](int lane) __attribute__((always_inline)) {
    Ints low = _mm256_blend_epi32(entry(lane), entry(lane + 1), 0x0C);
    return as_floats(_mm256_blend_epi32(low, _mm256_blend_epi32(entry(lane + 4), entry(lane + 5), 0xC0), 0xF0));
  };
  Floats a = four(0), b = four(2);
  first = as_ints(_mm256_shuffle_ps(a, b, 0x88));
  second = as_ints(_mm256_shuffle_ps(a, b, 0xDD));
}
// Table entries of 4 bytes, one for each lane.
template <class Index>
inline Ints look_up_four(const uint32_t* table, const Index* indices) {
  auto four = [&](int lane) __attribute__((always_inline)) {
    auto entry = [&](int i) __attribute__((always_inline)) { return _mm_cvtsi32_si128((int)table[indices[lane + i]]); };
    return _mm_unpacklo_epi64(_mm_unpacklo_epi32(entry(0), entry(1)), _mm_unpacklo_epi32(entry(2), entry(3)));
  };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(four(0)), four(4), 1);
}
// Of a byte for each lane: bytes of all ones where a bit is set, of bits 0 to 3, and of 4 to 7.
inline void spread_bits(const uint8_t* p, Ints& first, Ints& second) {
  const Ints places = _mm256_setr_epi64x(0x0101010100000000, 0x0303030302020202, 0x0505050504040404, 0x0707070706060606);
  const Ints low = ints(0x08040201), high = ints((int)0x80402010);
  long long rows;
  __builtin_memcpy(&rows, p, sizeof rows);
  Ints all = _mm256_shuffle_epi8(_mm256_set1_epi64x(rows), places);
  first = _mm256_cmpeq_epi8(_mm256_and_si256(all, low), low);
  second = _mm256_cmpeq_epi8(_mm256_and_si256(all, high), high);
}

// Four activations for each row.
inline Ints four_bytes(const int8_t* four) { return ints(*(const int32_t*)four); }
#ifdef __AVXVNNI__
#define LOCKSTEP_BYTE_DOTS
// sum += Σ of 4 unsigned weights · 4 signed activations, per lane.
inline void dot4(Ints& sum, Ints weights, Ints four) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(weights), "x"(four));
}
inline void dot4(Ints& sum, Ints weights, const int8_t* four) { dot4(sum, weights, four_bytes(four)); }
#else
// In assembler because gcc 12 turns a chain of such sums into a tree, for which there are too few registers.
inline Ints add_pairs(Ints a, Ints b) {
  asm("vpaddw %1, %0, %0" : "+x"(a) : "x"(b));
  return a;
}
inline Ints add_in_order(Ints a, Ints b) {
  asm("vpaddd %1, %0, %0" : "+x"(a) : "x"(b));
  return a;
}
// Per 16 bits: Σ of 2 unsigned · 2 signed bytes, saturated.
inline Ints multiply_bytes(Ints weights, Ints four) { return _mm256_maddubs_epi16(weights, four); }
// Signed weights, prepared for multiply_signed_bytes.
struct SignedBytes {
  __m256i magnitude;
  __m256i weights;
};
inline SignedBytes signed_bytes(Ints weights) { return {_mm256_abs_epi8(weights), weights}; }
inline Ints multiply_signed_bytes(const SignedBytes& weights, Ints four) {
  return _mm256_maddubs_epi16(weights.magnitude, _mm256_sign_epi8(four, weights.weights));
}
#endif

}  // namespace vec
