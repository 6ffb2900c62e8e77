// SPDX-License-Identifier: Apache-2.0
// Declarations that every kernel file shares. A kernel is `LOCKSTEP void name(...)`, keeps no
// state, allocates nothing and does not check its arguments: the Java side has checked the sizes.
#pragma once

#include <stdint.h>

#include "vector.h"

#define LOCKSTEP extern "C" __attribute__((visibility("default")))

// Output rows of a packed tile, and the registers with a lane for each of them.
constexpr int TILE_ROWS = 16;
constexpr int PARTS = TILE_ROWS / vec::WIDTH;

// Weight types in the order of the Java enum TensorType.
enum TensorType {
  TYPE_F32,
  TYPE_F16,
  TYPE_BF16,
  TYPE_Q4_0,
  TYPE_Q4_1,
  TYPE_Q5_0,
  TYPE_Q5_1,
  TYPE_Q8_0,
  TYPE_IQ4_NL,
  TYPE_MXFP4,
  TYPE_Q2_K,
  TYPE_Q3_K,
  TYPE_Q4_K,
  TYPE_Q5_K,
  TYPE_Q6_K,
  TYPE_IQ4_XS,
  TYPE_IQ1_S,
  TYPE_IQ1_M,
  TYPE_IQ2_XXS,
  TYPE_IQ2_XS,
  TYPE_IQ2_S,
  TYPE_IQ3_XXS,
  TYPE_IQ3_S,
  TYPE_TQ1_0,
  TYPE_TQ2_0,
  TYPE_E4M3,
  TYPE_Q4_OFFSET,
  TYPE_Q4_ZERO,
  TYPE_Q8_OFFSET,
  TYPE_NVFP4,
  TYPE_Q4_ZERO_32,
  TYPE_Q8_ZERO,
  TYPE_Q8_ZERO_32,
  TYPE_NF4,
  TYPE_FP4,
  TYPE_Q4_ZERO_128
};

static inline float bits_to_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

using vec::f16_to_float;
using vec::float_to_f16;

static inline float bf16_to_float(uint16_t half) { return bits_to_float((uint32_t)half << 16); }

// Rounds half to even; a NaN stays a NaN.
static inline uint16_t float_to_bf16(float value) {
  uint32_t bits = float_to_bits(value);
  uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  uint32_t quiet = (bits >> 16) | 0x40;
  return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

// The rows of a tile whose outputs exist: all, except in the last tile of a segment.
static inline int rows_of_tile(int rows, int tile) {
  int left = rows - tile * TILE_ROWS;
  return left >= TILE_ROWS ? TILE_ROWS : left;
}
