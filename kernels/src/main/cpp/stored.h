// SPDX-License-Identifier: Apache-2.0
// Quantized blocks as GGUF stores them, read 32 columns (a sub-block) at a time. Blocks of 256 have 8 sub-blocks.
//
// Stored<TYPE>: w = scale[half] · (code − OFFSET) + minimum[half], a half being 16 columns. Scales and minimums are
// exact in a float: 11 bits of an f16 times at most 8.
#pragma once

#include "int8.h"

template <class T>
static inline T load(const void* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

static inline float half_at(const uint8_t* at) { return f16_to_float(load<uint16_t>(at)); }

// The value of each code of IQ4_NL, plus 128.
alignas(16) constexpr uint8_t IQ4_NL_VALUES[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                   129, 141, 153, 166, 181, 197, 217, 241};

// Twice the value of each code of MXFP4, plus 12.
alignas(16) constexpr uint8_t MXFP4_VALUES[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

struct Scales {
  float scale[2];
  float minimum[2];
};

template <int TYPE>
struct Stored;

// Columns c and c + 16 share a byte.
static inline void split_nibbles(const uint8_t* pairs, uint8_t* codes) {
  for (int c = 0; c < 16; c++) {
    codes[c] = pairs[c] & 15;
    codes[c + 16] = pairs[c] >> 4;
  }
}

// Bit c of `bits` is the fifth bit of code c.
static inline void add_fifth_bits(uint32_t bits, uint8_t* codes) {
  for (int c = 0; c < BLOCK; c++) {
    codes[c] |= (bits >> c & 1) << 4;
  }
}

static inline Scales one_scale(const uint8_t* block) {
  float scale = half_at(block);
  return {{scale, scale}, {0, 0}};
}

// f16 scale, 16 bytes.
template <>
struct Stored<TYPE_Q4_0> {
  static constexpr int COLUMNS = 32, BYTES = 18, OFFSET = 8;
  static void codes(const uint8_t* block, int, uint8_t* out) { split_nibbles(block + 2, out); }
  static Scales scales(const uint8_t* block, int) { return one_scale(block); }
};

// As Q4_0; a code is an index.
template <>
struct Stored<TYPE_IQ4_NL> : Stored<TYPE_Q4_0> {};

// Half of 2^(exponent − 127) in bf16, which holds it exactly.
static inline uint16_t half_of_e8m0(uint8_t exponent) {
  return (uint16_t)(exponent < 2 ? 0x20u << exponent : (exponent - 1u) << 7);
}

// E8M0 scale, 16 bytes; a code is an index.
template <>
struct Stored<TYPE_MXFP4> {
  static constexpr int COLUMNS = 32, BYTES = 17, OFFSET = 0;
  static void codes(const uint8_t* block, int, uint8_t* out) { split_nibbles(block + 1, out); }
  static Scales scales(const uint8_t* block, int) {
    float scale = bf16_to_float(half_of_e8m0(*block));
    return {{scale, scale}, {0, 0}};
  }
};

// f16 scale, 32 fifth bits, 16 bytes.
template <>
struct Stored<TYPE_Q5_0> {
  static constexpr int COLUMNS = 32, BYTES = 22, OFFSET = 16;
  static void codes(const uint8_t* block, int, uint8_t* out) {
    split_nibbles(block + 6, out);
    add_fifth_bits(load<uint32_t>(block + 2), out);
  }
  static Scales scales(const uint8_t* block, int) { return one_scale(block); }
};

// f16 scale, f16 minimum, 32 fifth bits, 16 bytes.
template <>
struct Stored<TYPE_Q5_1> {
  static constexpr int COLUMNS = 32, BYTES = 24, OFFSET = 0;
  static void codes(const uint8_t* block, int, uint8_t* out) {
    split_nibbles(block + 8, out);
    add_fifth_bits(load<uint32_t>(block + 4), out);
  }
  static Scales scales(const uint8_t* block, int) {
    float scale = half_at(block);
    float minimum = half_at(block + 2);
    return {{scale, scale}, {minimum, minimum}};
  }
};

// 16 bytes of a 4-bit scale (low) and a 4-bit minimum, 64 bytes of codes, f16 scale, f16 minimum. A byte of codes holds
// one column of four sub-blocks.
template <>
struct Stored<TYPE_Q2_K> {
  static constexpr int COLUMNS = 256, BYTES = 84, OFFSET = 0;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    const uint8_t* from = block + 16 + sub_block / 4 * 32;
    for (int c = 0; c < BLOCK; c++) {
      out[c] = from[c] >> sub_block % 4 * 2 & 3;
    }
  }
  static const uint8_t* halves(const uint8_t* block) { return block + 80; }
  // Scale and minimum as they are stored.
  static uint8_t sub_scale(const uint8_t* block, int half) { return block[half]; }
  static Scales scales(const uint8_t* block, int sub_block) {
    float scale = half_at(block + 80);
    float minimum = half_at(block + 82);
    uint8_t first = sub_scale(block, 2 * sub_block);
    uint8_t second = sub_scale(block, 2 * sub_block + 1);
    return {{scale * (first & 15), scale * (second & 15)}, {-minimum * (first >> 4), -minimum * (second >> 4)}};
  }
};

// 32 bytes of third bits (a bit per sub-block), 64 bytes of codes as in Q2_K, 12 bytes of 16 scales (low 4 bits, then
// high 2), f16 scale.
template <>
struct Stored<TYPE_Q3_K> {
  static constexpr int COLUMNS = 256, BYTES = 110, OFFSET = 4;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    const uint8_t* low = block + 32 + sub_block / 4 * 32;
    for (int c = 0; c < BLOCK; c++) {
      out[c] = (low[c] >> sub_block % 4 * 2 & 3) | (block[c] >> sub_block & 1) << 2;
    }
  }
  static const uint8_t* halves(const uint8_t* block) { return block + 108; }
  static uint8_t sub_scale(const uint8_t* block, int half) {
    const uint8_t* packed = block + 96;
    int low = half < 8 ? packed[half] & 15 : packed[half - 8] >> 4;
    int high = packed[8 + half % 4] >> half / 4 * 2 & 3;
    return (uint8_t)((low | high << 4) - 32);
  }
  static Scales scales(const uint8_t* block, int sub_block) {
    float scale = half_at(block + 108);
    int8_t first = sub_scale(block, 2 * sub_block), second = sub_scale(block, 2 * sub_block + 1);
    return {{scale * first, scale * second}, {0, 0}};
  }
};

// The scale and the minimum of a sub-block, 6 bits each, from the 12 bytes in which Q4_K and Q5_K store them.
struct SixBits {
  uint8_t scale;
  uint8_t minimum;

  static SixBits of(const uint8_t* packed, int sub_block) {
    if (sub_block < 4) {
      return {(uint8_t)(packed[sub_block] & 63), (uint8_t)(packed[sub_block + 4] & 63)};
    }
    return {(uint8_t)((packed[sub_block + 4] & 15) | packed[sub_block - 4] >> 6 << 4),
            (uint8_t)(packed[sub_block + 4] >> 4 | packed[sub_block] >> 6 << 4)};
  }

  Scales times(const uint8_t* halves) const {
    float own = half_at(halves) * scale;
    float offset = -half_at(halves + 2) * minimum;
    return {{own, own}, {offset, offset}};
  }
};

// f16 scale, f16 minimum, 12 bytes of scales, 128 bytes of codes; a byte holds one column of two sub-blocks.
template <>
struct Stored<TYPE_Q4_K> {
  static constexpr int COLUMNS = 256, BYTES = 144, OFFSET = 0;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    const uint8_t* from = block + 16 + sub_block / 2 * 32;
    for (int c = 0; c < BLOCK; c++) {
      out[c] = from[c] >> sub_block % 2 * 4 & 15;
    }
  }
  static const uint8_t* halves(const uint8_t* block) { return block; }
  static SixBits six_bits(const uint8_t* block, int sub_block) { return SixBits::of(block + 4, sub_block); }
  static Scales scales(const uint8_t* block, int sub_block) { return six_bits(block, sub_block).times(block); }
};

// As Q4_K with 32 bytes of fifth bits (a bit per sub-block) before the codes.
template <>
struct Stored<TYPE_Q5_K> {
  static constexpr int COLUMNS = 256, BYTES = 176, OFFSET = 0;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    const uint8_t* low = block + 48 + sub_block / 2 * 32;
    for (int c = 0; c < BLOCK; c++) {
      out[c] = (low[c] >> sub_block % 2 * 4 & 15) | (block[16 + c] >> sub_block & 1) << 4;
    }
  }
  static const uint8_t* halves(const uint8_t* block) { return block; }
  static SixBits six_bits(const uint8_t* block, int sub_block) { return SixBits::of(block + 4, sub_block); }
  static Scales scales(const uint8_t* block, int sub_block) { return six_bits(block, sub_block).times(block); }
};

// 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed scales, f16 scale.
template <>
struct Stored<TYPE_Q6_K> {
  static constexpr int COLUMNS = 256, BYTES = 210, OFFSET = 32;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    const uint8_t* low = block + sub_block / 4 * 64 + sub_block % 2 * 32;
    const uint8_t* high = block + 128 + sub_block / 4 * 32;
    for (int c = 0; c < BLOCK; c++) {
      out[c] = (low[c] >> sub_block % 4 / 2 * 4 & 15) | (high[c] >> sub_block % 4 * 2 & 3) << 4;
    }
  }
  static const uint8_t* halves(const uint8_t* block) { return block + 208; }
  static uint8_t sub_scale(const uint8_t* block, int half) { return block[192 + half]; }
  static Scales scales(const uint8_t* block, int sub_block) {
    float scale = half_at(block + 208);
    int8_t first = sub_scale(block, 2 * sub_block), second = sub_scale(block, 2 * sub_block + 1);
    return {{scale * first, scale * second}, {0, 0}};
  }
};

// f16 scale, high 2 bits of 8 scales, their low 4 bits, 128 bytes; a code is an index.
template <>
struct Stored<TYPE_IQ4_XS> {
  static constexpr int COLUMNS = 256, BYTES = 136, OFFSET = 0;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) { split_nibbles(block + 8 + 16 * sub_block, out); }
  static const uint8_t* halves(const uint8_t* block) { return block; }
  static uint8_t sub_scale(const uint8_t* block, int half) {
    int sub_block = half / 2;
    int low = block[4 + sub_block / 2] >> sub_block % 2 * 4 & 15;
    int high = load<uint16_t>(block + 2) >> sub_block * 2 & 3;
    return (uint8_t)((low | high << 4) - 32);
  }
  static Scales scales(const uint8_t* block, int sub_block) {
    float scale = half_at(block) * (int8_t)sub_scale(block, 2 * sub_block);
    return {{scale, scale}, {0, 0}};
  }
};

// f16 scale, f16 minimum, 32 bytes: two sub-blocks.
template <>
struct Stored<TYPE_Q4_OFFSET> {
  static constexpr int COLUMNS = 64, BYTES = 36, OFFSET = 0;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) { split_nibbles(block + 4 + 16 * sub_block, out); }
  static Scales scales(const uint8_t* block, int) {
    float scale = half_at(block);
    float minimum = half_at(block + 2);
    return {{scale, scale}, {minimum, minimum}};
  }
};

// As Q4_OFFSET with a zero point, an integer, in the place of the minimum.
template <>
struct Stored<TYPE_Q4_ZERO> : Stored<TYPE_Q4_OFFSET> {
  static Scales scales(const uint8_t* block, int) {
    float scale = half_at(block);
    float minimum = -(scale * half_at(block + 2));
    return {{scale, scale}, {minimum, minimum}};
  }
};

// f16 scale, f16 minimum, 32 unsigned bytes.
template <>
struct Stored<TYPE_Q8_OFFSET> {
  static constexpr int COLUMNS = 32, BYTES = 36, OFFSET = 0;
  static void codes(const uint8_t* block, int, uint8_t* out) { __builtin_memcpy(out, block + 4, BLOCK); }
};

// As Q4_ZERO with one sub-block.
template <>
struct Stored<TYPE_Q4_ZERO_32> : Stored<TYPE_Q4_ZERO> {
  static constexpr int COLUMNS = 32, BYTES = 20;
};

// As Q4_ZERO with four sub-blocks.
template <>
struct Stored<TYPE_Q4_ZERO_128> : Stored<TYPE_Q4_ZERO> {
  static constexpr int COLUMNS = 128, BYTES = 68;
};

// f16 scale, f16 zero point, 64 unsigned bytes: two sub-blocks.
template <>
struct Stored<TYPE_Q8_ZERO> {
  static constexpr int COLUMNS = 64, BYTES = 68, OFFSET = 0;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    __builtin_memcpy(out, block + 4 + sub_block * BLOCK, BLOCK);
  }
};

// As Q8_ZERO with one sub-block.
template <>
struct Stored<TYPE_Q8_ZERO_32> : Stored<TYPE_Q8_ZERO> {
  static constexpr int COLUMNS = 32, BYTES = 36;
};

// The integer that a code stands for.
template <int TYPE>
static inline int8_t stored_value(uint8_t code) {
  switch (TYPE) {
    case TYPE_IQ4_NL:
    case TYPE_IQ4_XS: return IQ4_NL_VALUES[code] - 128;
    case TYPE_MXFP4: return MXFP4_VALUES[code] - 12;
    default: return code - Stored<TYPE>::OFFSET;
  }
}
