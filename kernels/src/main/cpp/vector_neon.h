// SPDX-License-Identifier: Apache-2.0
// The operations of vector.h in NEON, with 8-bit dot products of mixed signs (i8mm).
#pragma once

#include <arm_neon.h>

namespace vec {

constexpr int WIDTH = 4, REGISTERS = 32, TOKENS = 4;

using Floats = float32x4_t;
using Ints = int32x4_t;
using Mask = uint32x4_t;

inline float f16_to_float(uint16_t half) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}
inline uint16_t float_to_f16(float value) {
  return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(value))), 0);
}

inline Floats broadcast(float x) { return vdupq_n_f32(x); }
inline Floats load(const float* p) { return vld1q_f32(p); }
inline Floats load_f16(const void* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t*)p))); }
inline Floats load_bf16(const void* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t*)p), 16));
}
inline void store(float* p, Floats a) { vst1q_f32(p, a); }

inline Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
inline Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
inline Floats multiply(Floats a, Floats b) { return vmulq_f32(a, b); }
inline Floats divide(Floats a, Floats b) { return vdivq_f32(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
// c − a·b
inline Floats subtract_product(Floats a, Floats b, Floats c) { return vfmsq_f32(c, a, b); }
// The second argument where the two are unordered.
inline Floats minimum(Floats a, Floats b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Floats maximum(Floats a, Floats b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline Floats magnitude(Floats a) { return vabsq_f32(a); }
// a with the sign of b.
inline Floats with_sign(Floats a, Floats b) { return vbslq_f32(vdupq_n_u32(0x80000000u), b, a); }
inline float largest(Floats a) {
  Floats two = maximum(a, vextq_f32(a, a, 2));
  return vgetq_lane_f32(maximum(two, vextq_f32(two, two, 1)), 0);
}

inline Ints ints(int32_t x) { return vdupq_n_s32(x); }
inline Ints lane_numbers() {
  const int32_t numbers[] = {0, 1, 2, 3};
  return vld1q_s32(numbers);
}
inline Floats as_floats(Ints a) { return vreinterpretq_f32_s32(a); }
inline Ints as_ints(Floats a) { return vreinterpretq_s32_f32(a); }

// Lanes below `count`, which may lie outside the register.
inline Mask first(int count) { return vcgtq_s32(ints(count), lane_numbers()); }
inline Mask range(int from, int to) { return vbicq_u32(first(to), first(from)); }
inline Mask below(Floats a, Floats b) { return vcltq_f32(a, b); }
inline Mask above(Floats a, Floats b) { return vcgtq_f32(a, b); }
inline Mask at_least(Floats a, Floats b) { return vcgeq_f32(a, b); }
inline Mask ordered(Floats a) { return vceqq_f32(a, a); }
inline Mask both(Mask a, Mask b) { return vandq_u32(a, b); }
// A bit for each lane.
inline unsigned bits(Mask mask) {
  const uint32_t values[] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(mask, vld1q_u32(values)));
}
inline Floats select(Mask mask, Floats yes, Floats no) { return vbslq_f32(mask, yes, no); }
inline Ints select(Mask mask, Ints yes, Ints no) { return vbslq_s32(mask, yes, no); }
// The first `count` lanes; the others read as zero, or are not written.
inline Floats load_first(const float* p, int count) {
  if (count >= WIDTH) return load(p);
  float lanes[WIDTH] = {};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return load(lanes);
}
inline void store_first(float* p, Floats a, int count) {
  if (count >= WIDTH) {
    store(p, a);
    return;
  }
  float lanes[WIDTH];
  store(lanes, a);
  for (int i = 0; i < count; i++) p[i] = lanes[i];
}

inline Ints load_ints(const void* aligned) { return vld1q_s32((const int32_t*)aligned); }
inline void store(int32_t* p, Ints a) { vst1q_s32(p, a); }
// Writes the lanes of a mask one after another.
inline void store_selected(int32_t* p, Ints a, Mask mask) {
  int32_t lanes[WIDTH];
  store(lanes, a);
  for (unsigned rest = bits(mask); rest != 0; rest &= rest - 1) {
    *p++ = lanes[__builtin_ctz(rest)];
  }
}
inline Ints add(Ints a, Ints b) { return vaddq_s32(a, b); }
inline Ints multiply(Ints a, Ints b) { return vmulq_s32(a, b); }
inline Ints maximum(Ints a, Ints b) { return vmaxq_s32(a, b); }
inline Ints bit_and(Ints a, Ints b) { return vandq_s32(a, b); }
inline Ints bit_or(Ints a, Ints b) { return vorrq_s32(a, b); }
inline Ints bit_xor(Ints a, Ints b) { return veorq_s32(a, b); }
template <int N>
inline Ints shift_left(Ints a) { return vshlq_n_s32(a, N); }
template <int N>
inline Ints shift_right_signed(Ints a) { return vshrq_n_s32(a, N); }
inline int32_t largest(Ints a) { return vmaxvq_s32(a); }
inline int32_t sum(Ints a) { return vaddvq_s32(a); }
inline Floats to_floats(Ints a) { return vcvtq_f32_s32(a); }
inline Floats unsigned_to_floats(Ints a) { return vcvtq_f32_u32(vreinterpretq_u32_s32(a)); }
// Half to even.
inline Ints to_ints(Floats a) { return vcvtnq_s32_f32(a); }
// Products of 32 by 32 bits.
inline void multiply_wide(Ints a, uint32_t factor, Ints* high, Ints* low) {
  uint32x4_t x = vreinterpretq_u32_s32(a);
  uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(x), factor));
  uint32x4_t second = vreinterpretq_u32_u64(vmull_n_u32(vget_high_u32(x), factor));
  *low = vreinterpretq_s32_u32(vuzp1q_u32(first, second));
  *high = vreinterpretq_s32_u32(vuzp2q_u32(first, second));
}

inline uint8x8_t load_four_bytes(const void* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return vreinterpret_u8_u32(vdup_n_u32(four));
}
// A byte for each lane.
inline Ints load_bytes(const void* p) {
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(load_four_bytes(p)))));
}
inline Ints load_signed_bytes(const void* p) {
  return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_four_bytes(p)))));
}
// Codes of E4M3 as their values · 2^-8: sign and magnitude, moved to those of an f16. No code is a NaN.
inline Floats load_e4m3(const void* p) {
  int16x4_t wide = vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_four_bytes(p))));
  uint16x4_t codes = vand_u16(vreinterpret_u16_s16(vshl_n_s16(wide, 7)), vdup_n_u16(0xBFFF));
  return vcvt_f32_f16(vreinterpret_f16_u16(codes));
}
inline void store_signed_bytes(int8_t* p, Ints a) {
  int16x4_t pairs = vqmovn_s32(a);
  uint32_t four = vget_lane_u32(vreinterpret_u32_s8(vqmovn_s16(vcombine_s16(pairs, pairs))), 0);
  __builtin_memcpy(p, &four, sizeof four);
}
// Two bytes for each lane, as 16-bit numbers.
inline Ints load_pairs(const void* p) { return vreinterpretq_s32_u16(vmovl_u8(vld1_u8((const uint8_t*)p))); }
inline Ints load_signed_pairs(const void* p) { return vreinterpretq_s32_s16(vmovl_s8(vld1_s8((const int8_t*)p))); }
template <int N>
inline Ints shift_right_pairs(Ints a) { return vreinterpretq_s32_u16(vshrq_n_u16(vreinterpretq_u16_s32(a), N)); }
template <int N>
inline Ints shift_left_pairs(Ints a) { return vreinterpretq_s32_u16(vshlq_n_u16(vreinterpretq_u16_s32(a), N)); }
// Σ of the two products of a lane's signed 16-bit numbers.
inline Ints multiply_pairs(Ints a, Ints b) {
  int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
  return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}

inline Ints load_unaligned(const void* p) { return vreinterpretq_s32_u8(vld1q_u8((const uint8_t*)p)); }
inline Ints bytes(int x) { return vreinterpretq_s32_u8(vdupq_n_u8((uint8_t)x)); }
inline Ints pairs(int x) { return vreinterpretq_s32_s16(vdupq_n_s16((int16_t)x)); }
// Table entries of bytes below 16.
inline Ints look_up(const uint8_t* table, Ints indices) {
  return vreinterpretq_s32_u8(vqtbl1q_u8(vld1q_u8(table), vreinterpretq_u8_s32(indices)));
}
// Table entries of the lowest 4 bits of each lane.
inline Floats look_up(const float* table, Ints lanes) {
  Ints bytes = vmlaq_s32(ints(0x03020100), vandq_s32(lanes, ints(15)), ints(0x04040404));
  return vreinterpretq_f32_u8(vqtbl4q_u8(vld1q_u8_x4((const uint8_t*)table), vreinterpretq_u8_s32(bytes)));
}

inline Ints add_bytes(Ints a, Ints b) {
  return vreinterpretq_s32_u8(vaddq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b)));
}
inline Ints subtract_bytes(Ints a, Ints b) {
  return vreinterpretq_s32_u8(vsubq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b)));
}
// Table entries of 8 bytes, one for each lane: bytes 0 to 3, and 4 to 7.
template <class Index>
inline void look_up_eight(const uint64_t* table, const Index* indices, Ints& first, Ints& second) {
  auto two = [&](int lane) __attribute__((always_inline)) {
    return vreinterpretq_s32_u64(vcombine_u64(vld1_u64(table + indices[lane]), vld1_u64(table + indices[lane + 1])));
  };
  Ints a = two(0), b = two(2);
  first = vuzp1q_s32(a, b);
  second = vuzp2q_s32(a, b);
}
// Table entries of 4 bytes, one for each lane.
template <class Index>
inline Ints look_up_four(const uint32_t* table, const Index* indices) {
  uint32x4_t lanes = vld1q_dup_u32(table + indices[0]);
  lanes = vld1q_lane_u32(table + indices[1], lanes, 1);
  lanes = vld1q_lane_u32(table + indices[2], lanes, 2);
  return vreinterpretq_s32_u32(vld1q_lane_u32(table + indices[3], lanes, 3));
}
// Of a byte for each lane: bytes of all ones where a bit is set, of bits 0 to 3, and of 4 to 7.
inline void spread_bits(const uint8_t* p, Ints& first, Ints& second) {
  const Ints places = vmulq_s32(lane_numbers(), ints(0x01010101));
  uint8x8_t four = load_four_bytes(p);
  uint8x16_t all = vqtbl1q_u8(vcombine_u8(four, four), vreinterpretq_u8_s32(places));
  first = vreinterpretq_s32_u8(vtstq_u8(all, vreinterpretq_u8_s32(ints(0x08040201))));
  second = vreinterpretq_s32_u8(vtstq_u8(all, vreinterpretq_u8_s32(ints((int)0x80402010))));
}

#define LOCKSTEP_BYTE_DOTS
// Four activations for each row.
inline Ints four_bytes(const int8_t* four) {
  int32_t activations;
  __builtin_memcpy(&activations, four, sizeof activations);
  return vdupq_n_s32(activations);
}
// sum += Σ of 4 unsigned weights · 4 signed activations, per lane.
inline void dot4(Ints& sum, Ints weights, Ints four) {
  sum = vusdotq_s32(sum, vreinterpretq_u8_s32(weights), vreinterpretq_s8_s32(four));
}
inline void dot4(Ints& sum, Ints weights, const int8_t* four) { dot4(sum, weights, four_bytes(four)); }

}  // namespace vec
