// SPDX-License-Identifier: Apache-2.0
// FP8 weights, tile [64 columns]: [16 rows] f32 scales, then [32][16 rows][2] codes.
//
// A weight is rounded to bf16 in a register, so that products have the bits of those of a decoded matrix. A tile begins
// with the block that holds its first column; what precedes that column is not filled. A row with a NaN has it as its
// scale.
#include "float8.h"
#include "matmul.h"
#include "pack.h"
#include "short_floats.h"
#include "stored.h"

static constexpr int SCALES_BYTES = 4 * TILE_ROWS;
static constexpr int PAIR_BYTES = 2 * TILE_ROWS;
static constexpr int BLOCK_BYTES = SCALES_BYTES + E4M3_COLUMNS * TILE_ROWS;

// The weights of codes that stand in bits 20 to 26 and 31.
static inline vec::Floats scaled(vec::Ints codes, vec::Floats scale) {
  vec::Floats value = vec::as_floats(vec::bit_and(codes, vec::ints((int)E4M3_MASK)));
  return vec::multiply(vec::multiply(value, vec::broadcast(E4M3_CORRECTION)), scale);
}

// Calls scales(block) for each block, and pair(column, codes) for each pair of its columns.
template <class Scales, class Pair>
__attribute__((always_inline)) static inline void for_each_pair(const MatmulArguments& a, const char* tile,
                                                                Scales scales, Pair pair) {
  int end = a.skipped + a.columns;
  for (int column = a.skipped; column < end;) {
    const char* block = tile + (int64_t)(column / E4M3_COLUMNS) * BLOCK_BYTES;
    int next = (column / E4M3_COLUMNS + 1) * E4M3_COLUMNS;
    next = next < end ? next : end;
    scales((const float*)block);
    const char* codes = block + SCALES_BYTES + column % E4M3_COLUMNS / 2 * PAIR_BYTES;
    for (; column < next; column += 2) {
      pair(column - a.skipped, codes);
      codes += PAIR_BYTES;
    }
  }
}

// Activations are f32, or f32 rounded to bf16.
struct E4m3 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    const float* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const float*)(x + t * a.x_stride);
    }
    vec::Floats scale[PARTS];
    auto scales = [&](const float* block) __attribute__((always_inline)) {
      for (int p = 0; p < PARTS; p++) {
        scale[p] = vec::load(block + p * vec::WIDTH);
      }
    };
    auto pair = [&](int column, const char* codes) __attribute__((always_inline)) {
      fetch_ahead<PAIR_BYTES>(codes);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints both = vec::load_signed_pairs(codes + p * 2 * vec::WIDTH);
        vec::Floats even = rounded_to_bf16(scaled(vec::shift_left<20>(both), scale[p]));
        vec::Floats odd = rounded_to_bf16(scaled(vec::shift_left<4>(both), scale[p]));
        add_pair<N>(even, odd, row, column, sum.of[p]);
      }
    };
    for_each_pair(a, tile, scales, pair);
    sum.store(out, a.out_stride, rows);
  }
};

#ifdef __AVX512BF16__

// Activations are pairs of bf16. The instruction that rounds makes subnormal weights zero, as the one that multiplies does.
struct E4m3Bf16 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    const int* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const int*)(x + t * a.x_stride);
    }
    // The scale of each row twice: of rows 0 to 7, and of 8 to 15.
    const __m512i first = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    vec::Floats scale[2];
    auto scales = [&](const float* block) __attribute__((always_inline)) {
      vec::Floats all = vec::load(block);
      scale[0] = _mm512_permutexvar_ps(first, all);
      scale[1] = _mm512_permutexvar_ps(second, all);
    };
    auto pair = [&](int column, const char* codes) __attribute__((always_inline)) {
      fetch_ahead<PAIR_BYTES>(codes);
      vec::Floats low = scaled(vec::shift_left<20>(vec::load_signed_bytes(codes)), scale[0]);
      vec::Floats high = scaled(vec::shift_left<20>(vec::load_signed_bytes(codes + 16)), scale[1]);
      __m512bh weights = _mm512_cvtne2ps_pbh(high, low);
      add_pair<N>(weights, row, column / 2, sum.of[0]);
    };
    for_each_pair(a, tile, scales, pair);
    sum.store(out, a.out_stride, rows);
  }
};

#else
using E4m3Bf16 = E4m3;
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
        block[SCALES_BYTES + i / 2 * PAIR_BYTES + 2 * r + i % 2] = (char)code;
      }
      ((float*)block)[r] = nan ? bits_to_float(QUIET_NAN) : scale;
    }
  }
}

LOCKSTEP_MATMUL(lockstep_matmul_e4m3_f32, E4m3)
LOCKSTEP_MATMUL(lockstep_matmul_e4m3_bf16, E4m3Bf16)
LOCKSTEP_PACK(lockstep_pack_e4m3, pack_e4m3)
