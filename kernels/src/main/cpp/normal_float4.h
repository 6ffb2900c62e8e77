// SPDX-License-Identifier: Apache-2.0
// NF4 and FP4 weights (Dettmers et al. 2023): blocks of 64 columns of an f32 scale and codes of 4 bits, two in a byte, the first in
// the lower half. w = scale · the value of the code, rounded to bf16.
#pragma once

#include "stored.h"

constexpr int NF4_COLUMNS = 64, NF4_CODES = 4, NF4_BYTES = NF4_CODES + NF4_COLUMNS / 2;

alignas(64) constexpr float NF4_VALUES[16] = {
  -1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.0f,
  0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f};

// A sign and eight magnitudes.
alignas(64) constexpr float FP4_VALUES[16] = {
  0.0f, 0.0625f / 12, 8.0f / 12, 1.0f, 4.0f / 12, 6.0f / 12, 2.0f / 12, 3.0f / 12,
  0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -6.0f / 12, -2.0f / 12, -3.0f / 12};

static inline float nf4_weight(const float* values, const uint8_t* row, int64_t column) {
  const uint8_t* block = row + column / NF4_COLUMNS * NF4_BYTES;
  int within = (int)(column % NF4_COLUMNS);
  int code = block[NF4_CODES + within / 2] >> within % 2 * 4 & 15;
  return bf16_to_float(float_to_bf16(values[code] * load<float>(block)));
}
