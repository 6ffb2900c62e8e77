// SPDX-License-Identifier: Apache-2.0
// FP8 weights: floats of 8 bits (OCP FP8, E4M3) after an f32 scale per 64 columns, rounded to bf16.
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
