// SPDX-License-Identifier: Apache-2.0
// One element of a row as a checkpoint stores it: plain floats, or blocks that share scales, as GGUF has them.
//
// A quantized weight is scale · q + minimum; both are exact in a float. Bytes are read one by one: a row may begin at
// any address.
#pragma once

#include "ls_grids.cuh"
#include "ls_types.cuh"

// In the order of the host's enum TensorType.
enum StoredType {
  STORED_F32,
  STORED_F16,
  STORED_BF16,
  STORED_Q4_0,
  STORED_Q4_1,
  STORED_Q5_0,
  STORED_Q5_1,
  STORED_Q8_0,
  STORED_IQ4_NL,
  STORED_MXFP4,
  STORED_Q2_K,
  STORED_Q3_K,
  STORED_Q4_K,
  STORED_Q5_K,
  STORED_Q6_K,
  STORED_IQ4_XS,
  STORED_IQ1_S,
  STORED_IQ1_M,
  STORED_IQ2_XXS,
  STORED_IQ2_XS,
  STORED_IQ2_S,
  STORED_IQ3_XXS,
  STORED_IQ3_S,
  STORED_TQ1_0,
  STORED_TQ2_0,
  STORED_E4M3,
  STORED_Q4_OFFSET,
  STORED_Q4_ZERO,
  STORED_Q8_OFFSET,
  STORED_NVFP4,
  STORED_Q4_ZERO_32,
  STORED_Q8_ZERO,
  STORED_Q8_ZERO_32,
  STORED_NF4,
  STORED_FP4,
  STORED_Q4_ZERO_128
};

__device__ __forceinline__ uint32_t two_bytes(const uint8_t* at) { return at[0] | static_cast<uint32_t>(at[1]) << 8; }

__device__ __forceinline__ uint32_t four_bytes(const uint8_t* at) { return two_bytes(at) | two_bytes(at + 2) << 16; }

__device__ __forceinline__ float half_at(const uint8_t* at) { return f16_value(static_cast<uint16_t>(two_bytes(at))); }

// Columns c and c + 16 share a byte.
__device__ __forceinline__ int nibble(const uint8_t* pairs, int c) { return c < 16 ? pairs[c] & 15 : pairs[c - 16] >> 4; }

__device__ __forceinline__ int bit(const uint8_t* bits, int index) { return bits[index / 8] >> index % 8 & 1; }

// The signed bytes that the codes of IQ4_NL stand for.
__device__ __forceinline__ int iq4_nl_value(int code) {
  const uint64_t low = 0xf6eaddcfbfad9881ull;   // -127 -104 -83 -65 -49 -35 -22 -10, first in the lowest byte
  const uint64_t high = 0x7159453526190d01ull;  // 1 13 25 38 53 69 89 113
  return static_cast<int8_t>((code < 8 ? low : high) >> code % 8 * 8 & 255);
}

// Twice the floats that the codes of MXFP4 stand for.
__device__ __forceinline__ int mxfp4_value(int code) {
  int magnitude = static_cast<int>(0xc8643210u >> code % 8 * 4 & 15);
  return code < 8 ? magnitude : -magnitude;
}

// Half the power of two of an exponent with a bias of 127.
__device__ __forceinline__ float half_of_e8m0(uint32_t exponent) {
  return __uint_as_float(exponent < 2 ? 0x00200000u << exponent : exponent - 1 << 23);
}

// 8 signs of which 7 are stored: their number is even.
__device__ __forceinline__ uint32_t eight_signs(uint32_t stored) {
  return (stored & 127) | (__popc(stored & 127) & 1) << 7;
}

// Magnitude `place` of 8 of an entry, in eighths.
__device__ __forceinline__ int iq2_value(uint32_t entry, int place, uint32_t signs) {
  int magnitude = static_cast<int>(0x2b1908u >> (entry >> place * 2 & 3) * 8 & 255);  // 8 25 43
  return signs >> place & 1 ? -magnitude : magnitude;
}

// Number `place` of 8 of an entry, −1, 0 or 1, shifted by an eighth down or up, in eighths.
__device__ __forceinline__ int iq1_value(uint32_t entry, int place, bool down) {
  return 8 * (static_cast<int>(entry >> place * 2 & 3) - 1) + (down ? -1 : 1);
}

__device__ __forceinline__ int ternary_digit(int byte, int digit) {
  const uint32_t powers = 0x1b090301u;  // 1 3 9 27, and 81
  uint32_t power = digit < 4 ? powers >> digit * 8 & 255 : 81;
  return static_cast<int>((byte * power & 255) * 3 >> 8) - 1;
}

// The floats that the codes of FP4 stand for: magnitudes in 192ths, at 8 a zero without a sign.
__device__ __forceinline__ float fp4_value(int code) {
  const uint64_t magnitudes = 0x30206040c0800100ull;  // 0 1 128 192 64 96 32 48, first in the lowest byte
  float magnitude = static_cast<float>(magnitudes >> code % 8 * 8 & 255) / 192.0f;
  return code > 8 ? -magnitude : magnitude;
}

// The floats that the codes of NF4 stand for.
__device__ __forceinline__ float nf4_value(int code) {
  switch (code) {
    case 0: return -1.0f;
    case 1: return -0.6961928f;
    case 2: return -0.52507305f;
    case 3: return -0.3949175f;
    case 4: return -0.28444138f;
    case 5: return -0.18477343f;
    case 6: return -0.091050036f;
    case 7: return 0.0f;
    case 8: return 0.0795803f;
    case 9: return 0.1609302f;
    case 10: return 0.2461123f;
    case 11: return 0.33791524f;
    case 12: return 0.44070983f;
    case 13: return 0.562617f;
    case 14: return 0.72295684f;
    default: return 1.0f;
  }
}

// A float of 8 bits (OCP FP8, E4M3): its sign and magnitude are those of an f32 without 120 of its exponent.
__device__ __forceinline__ float e4m3_value(uint32_t code) {
  if ((code & 127) == 127) return __uint_as_float(0x7fc00000u);
  return __uint_as_float((code & 128) << 24 | (code & 127) << 20) * 0x1p120f;
}

// 16 scales of 6 bits, signed: low 4 bits, then high 2.
__device__ __forceinline__ int q3_scale(const uint8_t* packed, int half) {
  int low = half < 8 ? packed[half] & 15 : packed[half - 8] >> 4;
  int high = packed[8 + half % 4] >> half / 4 * 2 & 3;
  return (low | high << 4) - 32;
}

// Scale and minimum of 6 bits of a sub-block of Q4_K and Q5_K.
__device__ __forceinline__ float six_bits(const uint8_t* block, int sub_block, int q) {
  const uint8_t* packed = block + 4;
  int scale, minimum;
  if (sub_block < 4) {
    scale = packed[sub_block] & 63;
    minimum = packed[sub_block + 4] & 63;
  } else {
    scale = (packed[sub_block + 4] & 15) | packed[sub_block - 4] >> 6 << 4;
    minimum = packed[sub_block + 4] >> 4 | packed[sub_block] >> 6 << 4;
  }
  return fmaf(half_at(block) * scale, q, -half_at(block + 2) * minimum);
}

// Returns element `column` of a row that begins at `row`.
__device__ __forceinline__ float stored_element(int type, const uint8_t* row, int64_t column) {
  if (type == STORED_F32) return __uint_as_float(four_bytes(row + 4 * column));
  if (type == STORED_F16) return half_at(row + 2 * column);
  if (type == STORED_BF16) return __uint_as_float(two_bytes(row + 2 * column) << 16);
  if (type == STORED_E4M3) {
    const uint8_t* block = row + column / 64 * 68;
    float weight = e4m3_value(block[4 + column % 64]) * __uint_as_float(four_bytes(block));
    return __uint_as_float(static_cast<uint32_t>(bf16_bits(weight)) << 16);
  }
  if (type == STORED_NVFP4) {
    const uint8_t* block = row + column / 128 * 76;
    int at = static_cast<int>(column % 128);
    float factor = __uint_as_float(four_bytes(block));
    float scale = e4m3_value(block[4 + at / 16]);
    scale = factor < 0 ? scale / -factor : scale * factor;
    uint32_t code = block[12 + at / 2] >> at % 2 * 4 & 15;
    float weight = __uint_as_float((code & 8) << 28 | (code & 7) << 22) * 0x1p126f * scale;
    return __uint_as_float(static_cast<uint32_t>(bf16_bits(weight)) << 16);
  }
  if (type == STORED_NF4 || type == STORED_FP4) {
    const uint8_t* block = row + column / 64 * 36;
    int at = static_cast<int>(column % 64);
    int code = block[4 + at / 2] >> at % 2 * 4 & 15;
    float weight = (type == STORED_NF4 ? nf4_value(code) : fp4_value(code)) * __uint_as_float(four_bytes(block));
    return __uint_as_float(static_cast<uint32_t>(bf16_bits(weight)) << 16);
  }
  if (type == STORED_Q4_ZERO_32) {
    const uint8_t* block = row + column / 32 * 20;
    return half_at(block) * (nibble(block + 4, static_cast<int>(column % 32)) - half_at(block + 2));
  }
  if (type == STORED_Q8_ZERO || type == STORED_Q8_ZERO_32) {
    int size = type == STORED_Q8_ZERO ? 64 : 32;
    const uint8_t* block = row + column / size * (size + 4);
    return half_at(block) * (block[4 + column % size] - half_at(block + 2));
  }
  if (type == STORED_Q4_OFFSET || type == STORED_Q4_ZERO || type == STORED_Q4_ZERO_128) {
    int size = type == STORED_Q4_ZERO_128 ? 128 : 64;
    const uint8_t* block = row + column / size * (size / 2 + 4);
    int at = static_cast<int>(column % size);
    int q = nibble(block + 4 + at / 32 * 16, at % 32);
    return type == STORED_Q4_OFFSET ? fmaf(half_at(block), q, half_at(block + 2))
                                    : half_at(block) * (q - half_at(block + 2));
  }
  if (type == STORED_Q8_OFFSET) {
    const uint8_t* block = row + column / 32 * 36;
    return fmaf(half_at(block), block[4 + column % 32], half_at(block + 2));
  }
  int i = static_cast<int>(column % (type >= STORED_Q2_K ? 256 : 32));
  int64_t at = column / (type >= STORED_Q2_K ? 256 : 32);
  switch (type) {
    case STORED_Q4_0: {
      const uint8_t* block = row + at * 18;
      return half_at(block) * (nibble(block + 2, i) - 8);
    }
    case STORED_Q4_1: {
      const uint8_t* block = row + at * 20;
      return fmaf(half_at(block), nibble(block + 4, i), half_at(block + 2));
    }
    case STORED_Q5_0: {
      const uint8_t* block = row + at * 22;
      return half_at(block) * ((nibble(block + 6, i) | bit(block + 2, i) << 4) - 16);
    }
    case STORED_Q5_1: {
      const uint8_t* block = row + at * 24;
      return fmaf(half_at(block), nibble(block + 8, i) | bit(block + 4, i) << 4, half_at(block + 2));
    }
    case STORED_Q8_0: {
      const uint8_t* block = row + at * 34;
      return half_at(block) * static_cast<int8_t>(block[2 + i]);
    }
    case STORED_IQ4_NL: {
      const uint8_t* block = row + at * 18;
      return half_at(block) * iq4_nl_value(nibble(block + 2, i));
    }
    case STORED_MXFP4: {
      const uint8_t* block = row + at * 17;
      return half_of_e8m0(block[0]) * mxfp4_value(nibble(block + 1, i));
    }
    case STORED_IQ4_XS: {
      const uint8_t* block = row + at * 136;
      int low = block[4 + i / 64] >> i / 32 % 2 * 4 & 15;
      int high = static_cast<int>(two_bytes(block + 2) >> i / 32 * 2 & 3);
      float scale = half_at(block) * ((low | high << 4) - 32);
      return scale * iq4_nl_value(nibble(block + 8 + i / 32 * 16, i % 32));
    }
    case STORED_IQ1_S: {
      const uint8_t* block = row + at * 50;
      uint32_t word = two_bytes(block + 34 + i / 32 * 2);
      uint32_t index = block[2 + i / 8] | (word >> i % 32 / 8 * 3 & 7) << 8;
      float scale = half_at(block) * 0.125f * static_cast<int>(2 * (word >> 12 & 7) + 1);
      return scale * iq1_value(IQ1_S_GRID[index], i % 8, word >> 15);
    }
    case STORED_IQ1_M: {
      const uint8_t* block = row + at * 56;
      const uint8_t* words = block + 48;
      uint32_t d = words[1] >> 4 | words[3] >> 4 << 4 | words[5] >> 4 << 8 | words[7] >> 4 << 12;
      int own = static_cast<int>(2 * (two_bytes(words + i / 64 * 2) >> i % 64 / 16 * 3 & 7) + 1);
      uint32_t high = block[32 + i / 16] >> i % 16 / 8 * 4;
      uint32_t index = block[i / 8] | (high & 7) << 8;
      return f16_value(static_cast<uint16_t>(d)) * 0.125f * own * iq1_value(IQ1_S_GRID[index], i % 8, high & 8);
    }
    case STORED_IQ2_XXS: {
      const uint8_t* block = row + at * 66;
      uint32_t rest = four_bytes(block + 6 + i / 32 * 8);
      uint32_t entry = IQ2_XXS_GRID[block[2 + i / 32 * 8 + i % 32 / 8]];
      float scale = half_at(block) * 0.125f * static_cast<int>(2 * (rest >> 28) + 1);
      return scale * iq2_value(entry, i % 8, eight_signs(rest >> i % 32 / 8 * 7));
    }
    case STORED_IQ2_XS: {
      const uint8_t* block = row + at * 74;
      uint32_t both = two_bytes(block + 2 + i / 8 * 2);
      float scale = half_at(block) * 0.125f * (2 * (block[66 + i / 32] >> i % 32 / 16 * 4 & 15) + 1);
      return scale * iq2_value(IQ2_XS_GRID[both & 511], i % 8, eight_signs(both >> 9));
    }
    case STORED_IQ2_S: {
      const uint8_t* block = row + at * 82;
      uint32_t index = block[2 + i / 8] | (block[66 + i / 32] >> i % 32 / 8 * 2 & 3) << 8;
      float scale = half_at(block) * 0.125f * (2 * (block[74 + i / 32] >> i % 32 / 16 * 4 & 15) + 1);
      return scale * iq2_value(IQ2_S_GRID[index], i % 8, block[34 + i / 8]);
    }
    case STORED_IQ3_XXS: {
      const uint8_t* block = row + at * 98;
      uint32_t rest = four_bytes(block + 66 + i / 32 * 4);
      int code = IQ3_XXS_GRID[block[2 + i / 4]] >> i % 4 * 4 & 15;
      int magnitude = code == 7 ? 62 : 8 * code + 4;
      bool negative = eight_signs(rest >> i % 32 / 8 * 7) >> i % 8 & 1;
      float scale = half_at(block) * 0.25f * static_cast<int>(2 * (rest >> 28) + 1);
      return scale * (negative ? -magnitude : magnitude);
    }
    case STORED_IQ3_S: {
      const uint8_t* block = row + at * 110;
      uint32_t index = block[2 + i / 4] | static_cast<uint32_t>(bit(block + 66, i / 4)) << 8;
      int magnitude = 2 * (IQ3_S_GRID[index] >> i % 4 * 4 & 15) + 1;
      float scale = half_at(block) * (2 * (block[106 + i / 64] >> i % 64 / 32 * 4 & 15) + 1);
      return scale * (bit(block + 74, i) ? -magnitude : magnitude);
    }
    case STORED_TQ1_0: {
      const uint8_t* block = row + at * 54;
      int digit = i < 160 ? ternary_digit(block[i % 32], i / 32)
                          : i < 240 ? ternary_digit(block[32 + i % 16], (i - 160) / 16)
                                    : ternary_digit(block[48 + i % 4], (i - 240) / 4);
      return half_at(block + 52) * digit;
    }
    case STORED_TQ2_0: {
      const uint8_t* block = row + at * 66;
      int q = block[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
      return half_at(block + 64) * (q - 1);
    }
    case STORED_Q2_K: {
      const uint8_t* block = row + at * 84;
      int q = block[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
      uint8_t both = block[i / 16];
      return fmaf(half_at(block + 80) * (both & 15), q, -half_at(block + 82) * (both >> 4));
    }
    case STORED_Q3_K: {
      const uint8_t* block = row + at * 110;
      int low = block[32 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
      int q = (low | (block[i % 32] >> i / 32 & 1) << 2) - 4;
      return half_at(block + 108) * q3_scale(block + 96, i / 16) * q;
    }
    case STORED_Q4_K: {
      const uint8_t* block = row + at * 144;
      return six_bits(block, i / 32, block[16 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15);
    }
    case STORED_Q5_K: {
      const uint8_t* block = row + at * 176;
      int low = block[48 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
      return six_bits(block, i / 32, low | (block[16 + i % 32] >> i / 32 & 1) << 4);
    }
    default: {
      const uint8_t* block = row + at * 210;
      int low = block[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
      int high = block[128 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
      float scale = half_at(block + 208) * static_cast<int8_t>(block[192 + i / 16]);
      return scale * ((low | high << 4) - 32);
    }
  }
}
