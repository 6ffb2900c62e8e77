// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights, tile [128 columns]: [16 rows] f32 factors, [8][16 rows] scales, then [64][16 rows] bytes of the codes of
// two columns.
//
// A tile begins with the block that holds its first column; what precedes that column is not filled. A row with a NaN has
// it as its factor.
#include "code_pairs.h"
#include "float4.h"
#include "pack.h"

static constexpr int FACTORS_BYTES = 4 * TILE_ROWS;
static constexpr int SCALES_BYTES = NVFP4_COLUMNS / NVFP4_GROUP * TILE_ROWS;
static constexpr int BLOCK_BYTES = FACTORS_BYTES + SCALES_BYTES + NVFP4_COLUMNS / 2 * TILE_ROWS;

// The values of codes.
alignas(64) static constexpr float E2M1_VALUES[16] = {0,     0.5f,  1,  1.5f,  2,  3,  4,  6,
                                                      -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

template <class Times>
struct Nvfp4 : CodePairs<Times> {
  using typename CodePairs<Times>::Scales;

  static int run_end(int column) { return (column / NVFP4_GROUP + 1) * NVFP4_GROUP; }
  static const char* block(const char* tile, int column) {
    return tile + (int64_t)(column / NVFP4_COLUMNS) * BLOCK_BYTES;
  }
  static const char* codes(const char* tile, int column) {
    return block(tile, column) + FACTORS_BYTES + SCALES_BYTES + column % NVFP4_COLUMNS / 2 * TILE_ROWS;
  }

  static Scales scales(const char* tile, int column) {
    const float* factors = (const float*)block(tile, column);
    const char* stored = block(tile, column) + FACTORS_BYTES + column % NVFP4_COLUMNS / NVFP4_GROUP * TILE_ROWS;
    Scales result;
    for (int p = 0; p < PARTS; p++) {
      vec::Ints bits = vec::shift_right_signed<4>(vec::shift_left<24>(vec::load_bytes(stored + p * vec::WIDTH)));
      vec::Floats scale = vec::as_floats(vec::bit_and(bits, vec::ints((int)E4M3_MASK)));
      scale = vec::multiply(scale, vec::broadcast(E4M3_CORRECTION));
      vec::Floats factor = vec::load(factors + p * vec::WIDTH);
      vec::Floats zero = vec::broadcast(0);
      result.of[p] = vec::select(vec::below(factor, zero), vec::divide(scale, vec::subtract(zero, factor)),
                                 vec::multiply(scale, factor));
    }
    return result;
  }

  static Bf16Pair pair(const char* codes, const Scales& scales) {
    return CodePairs<Times>::pair_of(E2M1_VALUES, codes, scales);
  }
};

static void pack_nvfp4(const PackArguments& a, char* out, int tile) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int column = a.skipped; row && column < a.skipped + a.columns; column += 2) {
      const char* stored = row + (int64_t)(column / NVFP4_COLUMNS) * NVFP4_BYTES;
      char* block = out + (int64_t)(column / NVFP4_COLUMNS) * BLOCK_BYTES;
      int within = column % NVFP4_COLUMNS;
      float* factor = (float*)block + r;
      if (within == 0 || column == a.skipped) {
        *factor = load<float>(stored);
      }
      if (within % NVFP4_GROUP == 0) {
        char scale = stored[NVFP4_SCALES + within / NVFP4_GROUP];
        block[FACTORS_BYTES + within / NVFP4_GROUP * TILE_ROWS + r] = scale;
        if (is_e4m3_nan((uint8_t)scale)) {
          *factor = bits_to_float(QUIET_NAN);
        }
      }
      block[FACTORS_BYTES + SCALES_BYTES + within / 2 * TILE_ROWS + r] = stored[NVFP4_CODES + within / 2];
    }
  }
}

LOCKSTEP_MATMUL_BY(lockstep_matmul_nvfp4_f32, multiply_short<Nvfp4, TimesF32>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_nvfp4_bf16, multiply_short<Nvfp4, TimesBf16>)
LOCKSTEP_PACK(lockstep_pack_nvfp4, pack_nvfp4)
