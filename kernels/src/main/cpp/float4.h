// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights: blocks of 128 columns of an f32 factor, 8 scales in E4M3, and floats of 4 bits (OCP, E2M1), two in a byte,
// the first in the lower half. w = (scale · factor) · q, or (scale / −factor) · q where it is negative, rounded to bf16.
#pragma once

#include "float8.h"
#include "stored.h"

constexpr int NVFP4_COLUMNS = 128, NVFP4_GROUP = 16;
constexpr int NVFP4_SCALES = 4;
constexpr int NVFP4_CODES = NVFP4_SCALES + NVFP4_COLUMNS / NVFP4_GROUP;
constexpr int NVFP4_BYTES = NVFP4_CODES + NVFP4_COLUMNS / 2;

// The sign and the 3 bits of a magnitude, moved to those of an f32, are the value without 126 of its exponent.
static inline float e2m1_to_float(int code) {
  return bits_to_float((uint32_t)(code & 8) << 28 | (uint32_t)(code & 7) << 22) * 0x1p126f;
}

static inline float nvfp4_weight(const uint8_t* row, int64_t column) {
  const uint8_t* block = row + column / NVFP4_COLUMNS * NVFP4_BYTES;
  int within = (int)(column % NVFP4_COLUMNS);
  float factor = load<float>(block);
  float scale = e4m3_to_float(block[NVFP4_SCALES + within / NVFP4_GROUP]);
  scale = factor < 0 ? scale / -factor : scale * factor;
  int code = block[NVFP4_CODES + within / 2] >> within % 2 * 4 & 15;
  return bf16_to_float(float_to_bf16(e2m1_to_float(code) * scale));
}
