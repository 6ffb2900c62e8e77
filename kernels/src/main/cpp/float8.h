// SPDX-License-Identifier: Apache-2.0
// Floats of 8 bits (OCP FP8, E4M3): weights after an f32 scale per 64 columns, rounded to bf16; keys and values.
//
// The sign and the 7 bits of a magnitude, moved to those of an f32, are the value without 120 of its exponent; that is
// true of subnormal codes too. Only the NaN is another value then.
#pragma once

#include "lockstep.h"

constexpr int E4M3_COLUMNS = 64;
constexpr int E4M3_BYTES = 4 + E4M3_COLUMNS;
constexpr uint32_t E4M3_MASK = 0x87F00000;
constexpr float E4M3_CORRECTION = 0x1p120f;
constexpr uint32_t QUIET_NAN = 0x7FC00000;

static inline bool is_e4m3_nan(uint8_t code) { return (code & 0x7F) == 0x7F; }

static inline float e4m3_to_float(uint8_t code) {
  uint32_t bits = (uint32_t)(int8_t)code << 20 & E4M3_MASK;
  return bits_to_float(is_e4m3_nan(code) ? QUIET_NAN : bits) * E4M3_CORRECTION;
}

constexpr float E4M3_LARGEST = 448;

// The nearest code, half to even; that of the largest number for what is larger, and for a NaN.
static inline uint8_t float_to_e4m3(float x) {
  const uint32_t all = float_to_bits(x);
  float magnitude = bits_to_float(all & 0x7FFFFFFF);
  magnitude = magnitude < E4M3_LARGEST ? magnitude : E4M3_LARGEST;
  const uint32_t bits = float_to_bits(magnitude);
  // 3 bits of mantissa stay; the bias of the exponent becomes 7.
  const uint32_t normal = ((bits + 0x7FFFF + (bits >> 20 & 1)) >> 20) - (120 << 3);
  // Below 2^-6 codes count 2^-9, the last place of 2^14.
  const uint32_t subnormal = float_to_bits(magnitude + 0x1p14f) - float_to_bits(0x1p14f);
  return static_cast<uint8_t>((all >> 24 & 0x80) | (magnitude < 0x1p-6f ? subnormal : normal));
}
