// SPDX-License-Identifier: Apache-2.0
// The operations of vector.h in AVX-512.
#pragma once

#include <immintrin.h>

namespace vec {

constexpr int WIDTH = 16, REGISTERS = 32, TOKENS = 8;

using Floats = __m512;
using Ints = __m512i;
using Mask = __mmask16;

inline float f16_to_float(uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }
inline uint16_t float_to_f16(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }

inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
inline Floats load_f16(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
inline Floats load_bf16(const void* p) {
  __m256i bits = _mm256_loadu_si256((const __m256i*)p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
// Codes of E4M3 as their values · 2^-8: sign and magnitude, moved to those of an f16. No code is a NaN.
inline Floats load_e4m3(const void* p) {
  __m256i codes = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p)), 7);
  return _mm512_cvtph_ps(_mm256_and_si256(codes, _mm256_set1_epi16((short)0xBFFF)));
}
inline void store(float* p, Floats a) { _mm512_storeu_ps(p, a); }

inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
// c − a·b
inline Floats subtract_product(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
// The second argument where the two are unordered.
inline Floats minimum(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats maximum(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats magnitude(Floats a) { return _mm512_abs_ps(a); }
// a with the sign of b.
inline Floats with_sign(Floats a, Floats b) {
  __m512i sign = _mm512_set1_epi32(INT32_MIN);
  return _mm512_castsi512_ps(
    _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(b), _mm512_castps_si512(a), 0xCA));
}
inline float largest(Floats a) { return _mm512_reduce_max_ps(a); }

// Lanes below `count`, which is 0 to 16.
inline Mask first(int count) { return (Mask)((1u << count) - 1); }
inline Mask range(int from, int to) { return (Mask)(((1u << to) - 1) & ~((1u << from) - 1)); }
inline Mask below(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline Mask above(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
inline Mask at_least(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
inline Mask ordered(Floats a) { return _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q); }
inline Mask both(Mask a, Mask b) { return a & b; }
// A bit for each lane.
inline unsigned bits(Mask mask) { return mask; }
inline Floats select(Mask mask, Floats yes, Floats no) { return _mm512_mask_blend_ps(mask, no, yes); }
inline Ints select(Mask mask, Ints yes, Ints no) { return _mm512_mask_blend_epi32(mask, no, yes); }
// The first `count` lanes; the others read as zero, or are not written.
inline Floats load_first(const float* p, int count) { return _mm512_maskz_loadu_ps(first(count), p); }
inline void store_first(float* p, Floats a, int count) { _mm512_mask_storeu_ps(p, first(count), a); }
// Writes the lanes of a mask one after another.
inline void store_selected(int32_t* p, Ints a, Mask mask) {
  // Compress in a register: a compress to memory is microcode on Zen 4.
  _mm512_mask_storeu_epi32(p, (Mask)((1u << __builtin_popcount(mask)) - 1), _mm512_maskz_compress_epi32(mask, a));
}

inline Ints ints(int32_t x) { return _mm512_set1_epi32(x); }
inline Ints lane_numbers() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
inline Ints load_ints(const void* aligned) { return _mm512_load_si512(aligned); }
inline void store(int32_t* p, Ints a) { _mm512_storeu_si512(p, a); }
inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints multiply(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
inline Ints maximum(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
inline Ints bit_and(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints bit_or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
inline Ints bit_xor(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
template <int N>
inline Ints shift_left(Ints a) { return _mm512_slli_epi32(a, N); }
template <int N>
inline Ints shift_right_signed(Ints a) { return _mm512_srai_epi32(a, N); }
inline int32_t largest(Ints a) { return _mm512_reduce_max_epi32(a); }
inline int32_t sum(Ints a) { return _mm512_reduce_add_epi32(a); }
inline Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
inline Floats unsigned_to_floats(Ints a) { return _mm512_cvtepu32_ps(a); }
// Half to even.
inline Ints to_ints(Floats a) { return _mm512_cvtps_epi32(a); }
inline Floats as_floats(Ints a) { return _mm512_castsi512_ps(a); }
inline Ints as_ints(Floats a) { return _mm512_castps_si512(a); }
// Products of 32 by 32 bits.
inline void multiply_wide(Ints a, uint32_t factor, Ints* high, Ints* low) {
  __m512i b = _mm512_set1_epi32((int)factor);
  __m512i even = _mm512_mul_epu32(a, b);
  __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), b);
  *high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
  *low = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}

// A byte for each lane.
inline Ints load_bytes(const void* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)); }
inline Ints load_signed_bytes(const void* p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)); }
inline void store_signed_bytes(int8_t* p, Ints a) { _mm_storeu_si128((__m128i*)p, _mm512_cvtsepi32_epi8(a)); }
// Two bytes for each lane, as 16-bit numbers.
inline Ints load_pairs(const void* p) { return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)p)); }
inline Ints load_signed_pairs(const void* p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p)); }
template <int N>
inline Ints shift_right_pairs(Ints a) { return _mm512_srli_epi16(a, N); }
template <int N>
inline Ints shift_left_pairs(Ints a) { return _mm512_slli_epi16(a, N); }
// Σ of the two products of a lane's signed 16-bit numbers.
inline Ints multiply_pairs(Ints a, Ints b) { return _mm512_madd_epi16(a, b); }

inline Ints load_unaligned(const void* p) { return _mm512_loadu_si512(p); }
inline Ints bytes(int x) { return _mm512_set1_epi8((char)x); }
inline Ints pairs(int x) { return _mm512_set1_epi16((short)x); }
// Table entries of bytes below 16.
inline Ints look_up(const uint8_t* table, Ints indices) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)table)), indices);
}
// Table entries of the lowest 4 bits of each lane.
inline Floats look_up(const float* table, Ints lanes) {
  return _mm512_permutexvar_ps(lanes, _mm512_load_ps(table));
}

inline Ints add_bytes(Ints a, Ints b) { return _mm512_add_epi8(a, b); }
inline Ints subtract_bytes(Ints a, Ints b) { return _mm512_sub_epi8(a, b); }
// Table entries of 8 bytes, one for each lane: bytes 0 to 3, and 4 to 7.
template <class Index>
inline void look_up_eight(const uint64_t* table, const Index* indices, Ints& first, Ints& second) {
  auto two = [&](int lane) __attribute__((always_inline)) {
    __m128d low = _mm_load_sd((const double*)(table + indices[lane]));
    return _mm_castpd_ps(_mm_loadh_pd(low, (const double*)(table + indices[lane + 1])));
  };
  auto eight = [&](int lane) __attribute__((always_inline)) {
    Floats quarters = _mm512_insertf32x4(_mm512_castps128_ps512(two(lane)), two(lane + 4), 1);
    return _mm512_insertf32x4(_mm512_insertf32x4(quarters, two(lane + 8), 2), two(lane + 12), 3);
  };
  Floats a = eight(0), b = eight(2);
  first = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
  second = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xDD));
}
// Table entries of 4 bytes, one for each lane.
template <class Index>
inline Ints look_up_four(const uint32_t* table, const Index* indices) {
  auto four = [&](int lane) __attribute__((always_inline)) {
    return _mm_setr_epi32((int)table[indices[lane]], (int)table[indices[lane + 1]], (int)table[indices[lane + 2]],
                          (int)table[indices[lane + 3]]);
  };
  Ints quarters = _mm512_inserti32x4(_mm512_castsi128_si512(four(0)), four(4), 1);
  return _mm512_inserti32x4(_mm512_inserti32x4(quarters, four(8), 2), four(12), 3);
}
// Of a byte for each lane: bytes of all ones where a bit is set, of bits 0 to 3, and of 4 to 7.
inline void spread_bits(const uint8_t* p, Ints& first, Ints& second) {
  const Ints places = _mm512_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606, 0x07070707,
                                        0x08080808, 0x09090909, 0x0A0A0A0A, 0x0B0B0B0B, 0x0C0C0C0C, 0x0D0D0D0D, 0x0E0E0E0E,
                                        0x0F0F0F0F);
  Ints all = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)p)), places);
  first = _mm512_movm_epi8(_mm512_test_epi8_mask(all, ints(0x08040201)));
  second = _mm512_movm_epi8(_mm512_test_epi8_mask(all, ints((int)0x80402010)));
}

// Four activations for each row.
inline Ints four_bytes(const int8_t* four) { return _mm512_set1_epi32(*(const int32_t*)four); }
#ifdef __AVX512VNNI__
#define LOCKSTEP_BYTE_DOTS
// sum += Σ of 4 unsigned weights · 4 signed activations, per lane. In assembler because gcc 12 copies accumulators
// around the intrinsic when they are in an array.
inline void dot4(Ints& sum, Ints weights, const int8_t* four) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*(const int32_t*)four));
}
inline void dot4(Ints& sum, Ints weights, Ints four) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(four));
}
#else
// In assembler because gcc 12 turns a chain of such sums into a tree, for which there are too few registers.
inline Ints add_pairs(Ints a, Ints b) {
  asm("vpaddw %1, %0, %0" : "+v"(a) : "v"(b));
  return a;
}
inline Ints add_in_order(Ints a, Ints b) {
  asm("vpaddd %1, %0, %0" : "+v"(a) : "v"(b));
  return a;
}
// Per 16 bits: Σ of 2 unsigned · 2 signed bytes, saturated.
inline Ints multiply_bytes(Ints weights, Ints four) { return _mm512_maddubs_epi16(weights, four); }
// Signed weights, prepared for multiply_signed_bytes.
struct SignedBytes {
  __m512i magnitude;
  __mmask64 negative;
};
inline SignedBytes signed_bytes(Ints weights) { return {_mm512_abs_epi8(weights), _mm512_movepi8_mask(weights)}; }
inline Ints multiply_signed_bytes(const SignedBytes& weights, Ints four) {
  return _mm512_maddubs_epi16(weights.magnitude,
                              _mm512_mask_sub_epi8(four, weights.negative, _mm512_setzero_si512(), four));
}
#endif

}  // namespace vec
