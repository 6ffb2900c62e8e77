// SPDX-License-Identifier: Apache-2.0
// FP8 weights, tile [64 columns]: [16 rows] f32 scales, then [32][16 rows][2] codes.
//
// A weight is rounded to bf16 in a register, so that products have the bits of those of a decoded matrix. A tile begins
// with the block that holds its first column; what precedes that column is not filled. A row with a NaN has it as its
// scale.
#include "float8.h"
#include "pack.h"
#include "short_floats.h"
#include "stored.h"

static constexpr int SCALES_BYTES = 4 * TILE_ROWS;
static constexpr int BLOCK_BYTES = SCALES_BYTES + E4M3_COLUMNS * TILE_ROWS;

// Where a tile has the codes of a column, and its scales.
struct E4m3Tile {
  static constexpr int PAIR_BYTES = 2 * TILE_ROWS;

  static int run_end(int column) { return (column / E4M3_COLUMNS + 1) * E4M3_COLUMNS; }
  static const float* block(const char* tile, int column) {
    return (const float*)(tile + (int64_t)(column / E4M3_COLUMNS) * BLOCK_BYTES);
  }
  static const char* codes(const char* tile, int column) {
    return (const char*)block(tile, column) + SCALES_BYTES + column % E4M3_COLUMNS / 2 * PAIR_BYTES;
  }
};

template <class Times>
struct E4m3 : E4m3Tile {
  struct Scales {
    vec::Floats of[PARTS];
  };

  static Scales scales(const char* tile, int column) {
    Scales result;
    for (int p = 0; p < PARTS; p++) {
      result.of[p] = vec::load(block(tile, column) + p * vec::WIDTH);
    }
    return result;
  }

  static Bf16Pair pair(const char* codes, const Scales& scales) {
    Bf16Pair result;
    for (int p = 0; p < PARTS; p++) {
      vec::Ints both = vec::load_signed_pairs(codes + p * 2 * vec::WIDTH);
      result.of[p] = rounded_to_bf16(weights(vec::shift_left<20>(both), scales.of[p]),
                                     weights(vec::shift_left<4>(both), scales.of[p]));
    }
    return result;
  }

 private:
  // The weights of codes that stand in bits 20 to 26 and 31.
  static vec::Floats weights(vec::Ints codes, vec::Floats scale) {
    vec::Floats value = vec::as_floats(vec::bit_and(codes, vec::ints((int)E4M3_MASK)));
    return vec::multiply(vec::multiply(value, vec::broadcast(E4M3_CORRECTION)), scale);
  }
};

#ifdef __AVX512BF16__

// The instruction that rounds makes subnormal weights zero, as the one that multiplies does.
template <>
struct E4m3<TimesBf16> : E4m3Tile {
  // The scale of each row twice: of rows 0 to 7, and of 8 to 15.
  struct Scales {
    vec::Floats low, high;
  };

  static Scales scales(const char* tile, int column) {
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    vec::Floats all = vec::load(block(tile, column));
    return {_mm512_permutexvar_ps(twice, all), _mm512_permutexvar_ps(_mm512_add_epi32(twice, vec::ints(8)), all)};
  }

  static Bf16Pair pair(const char* codes, const Scales& scales) {
    // The sign and the 7 bits of a magnitude, moved to those of an f16, are the value without 8 of its exponent. Unlike
    // f32 numbers, f16 numbers lose no time when they are subnormal.
    vec::Ints halves = vec::bit_and(vec::shift_left_pairs<7>(vec::load_signed_pairs(codes)), vec::pairs((short)0xBF80));
    vec::Floats low = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
    vec::Floats high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
    low = vec::multiply(vec::multiply(low, vec::broadcast(256)), scales.low);
    high = vec::multiply(vec::multiply(high, vec::broadcast(256)), scales.high);
    return {{(__m512i)_mm512_cvtne2ps_pbh(high, low)}};
  }
};

#endif

static void pack_e4m3(const PackArguments& a, char* out, int tile) {
  int end = a.skipped + a.columns;
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int column = a.skipped; row && column < end;) {
      int number = column / E4M3_COLUMNS;
      const char* stored = row + (int64_t)number * E4M3_BYTES;
      char* block = out + (int64_t)number * BLOCK_BYTES;
      float scale = load<float>(stored);
      bool nan = scale != scale;
      for (; column < end && column / E4M3_COLUMNS == number; column++) {
        int i = column % E4M3_COLUMNS;
        uint8_t code = (uint8_t)stored[4 + i];
        nan |= is_e4m3_nan(code);
        block[SCALES_BYTES + i / 2 * E4m3Tile::PAIR_BYTES + 2 * r + i % 2] = (char)code;
      }
      ((float*)block)[r] = nan ? bits_to_float(QUIET_NAN) : scale;
    }
  }
}

LOCKSTEP_MATMUL_BY(lockstep_matmul_e4m3_f32, multiply_short<E4m3, TimesF32>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_e4m3_bf16, multiply_short<E4m3, TimesBf16>)
LOCKSTEP_PACK(lockstep_pack_e4m3, pack_e4m3)
