// SPDX-License-Identifier: Apache-2.0
// NF4 and FP4 weights, tile [64 columns]: [16 rows] f32 scales, then [32][16 rows] bytes of the codes of two columns.
//
// A tile begins with the block that holds its first column; what precedes that column is not filled.
#include "code_pairs.h"
#include "normal_float4.h"
#include "pack.h"

static constexpr int SCALES_BYTES = 4 * TILE_ROWS;
static constexpr int BLOCK_BYTES = SCALES_BYTES + NF4_COLUMNS / 2 * TILE_ROWS;

template <class Times>
struct Nf4 : CodePairs<Times> {
  using typename CodePairs<Times>::Scales;

  static int run_end(int column) { return (column / NF4_COLUMNS + 1) * NF4_COLUMNS; }
  static const char* block(const char* tile, int column) { return tile + (int64_t)(column / NF4_COLUMNS) * BLOCK_BYTES; }
  static const char* codes(const char* tile, int column) {
    return block(tile, column) + SCALES_BYTES + column % NF4_COLUMNS / 2 * TILE_ROWS;
  }

  static Scales scales(const char* tile, int column) {
    Scales result;
    for (int p = 0; p < PARTS; p++) {
      result.of[p] = vec::load((const float*)block(tile, column) + p * vec::WIDTH);
    }
    return result;
  }

  static Bf16Pair pair(const char* codes, const Scales& scales) {
    return CodePairs<Times>::pair_of(NF4_VALUES, codes, scales);
  }
};

template <class Times>
struct Fp4 : Nf4<Times> {
  static Bf16Pair pair(const char* codes, const typename Nf4<Times>::Scales& scales) {
    return CodePairs<Times>::pair_of(FP4_VALUES, codes, scales);
  }
};

static void pack_nf4(const PackArguments& a, char* out, int tile) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int column = a.skipped; row && column < a.skipped + a.columns; column += 2) {
      const char* stored = row + (int64_t)(column / NF4_COLUMNS) * NF4_BYTES;
      char* block = out + (int64_t)(column / NF4_COLUMNS) * BLOCK_BYTES;
      int pair = column % NF4_COLUMNS / 2;
      ((float*)block)[r] = load<float>(stored);
      block[SCALES_BYTES + pair * TILE_ROWS + r] = stored[NF4_CODES + pair];
    }
  }
}

LOCKSTEP_MATMUL_BY(lockstep_matmul_nf4_f32, multiply_short<Nf4, TimesF32>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_nf4_bf16, multiply_short<Nf4, TimesBf16>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_fp4_f32, multiply_short<Fp4, TimesF32>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_fp4_bf16, multiply_short<Fp4, TimesBf16>)
LOCKSTEP_PACK(lockstep_pack_nf4, pack_nf4)
