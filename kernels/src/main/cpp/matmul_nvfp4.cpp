// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights, tile [128 columns]: [16 rows] f32 factors, [8][16 rows] scales, then [64][16 rows] bytes of the codes of
// two columns.
//
// A tile begins with the block that holds its first column; what precedes that column is not filled. A row with a NaN has
// it as its factor.
#include "float4.h"
#include "pack.h"
#include "short_floats.h"

static constexpr int FACTORS_BYTES = 4 * TILE_ROWS;
static constexpr int SCALES_BYTES = NVFP4_COLUMNS / NVFP4_GROUP * TILE_ROWS;
static constexpr int BLOCK_BYTES = FACTORS_BYTES + SCALES_BYTES + NVFP4_COLUMNS / 2 * TILE_ROWS;

// The scales of the rows of a register.
static inline vec::Floats scales_of(const float* factors, const char* scales) {
  vec::Ints bits = vec::shift_right_signed<4>(vec::shift_left<24>(vec::load_bytes(scales)));
  vec::Floats scale = vec::as_floats(vec::bit_and(bits, vec::ints((int)E4M3_MASK)));
  scale = vec::multiply(scale, vec::broadcast(E4M3_CORRECTION));
  vec::Floats factor = vec::load(factors);
  vec::Floats zero = vec::broadcast(0);
  return vec::select(vec::below(factor, zero), vec::divide(scale, vec::subtract(zero, factor)),
                     vec::multiply(scale, factor));
}

// The weights of codes below 16.
static inline vec::Floats weights_of(vec::Ints codes, vec::Floats scale) {
  vec::Ints raised = vec::bit_and(vec::look_up(MXFP4_VALUES, codes), vec::ints(255));
  vec::Floats doubled = vec::to_floats(vec::add(raised, vec::ints(-12)));
  return vec::multiply(vec::multiply(doubled, vec::broadcast(0.5f)), scale);
}

// Calls pairs(column, codes, scales) for each pair of columns of a tile, whose scales are those of 16 columns.
template <class Pair>
__attribute__((always_inline)) static inline void for_each_pair(const MatmulArguments& a, const char* tile, Pair pair) {
  for (int column = a.skipped; column < a.skipped + a.columns; column += NVFP4_GROUP) {
    const char* block = tile + (int64_t)(column / NVFP4_COLUMNS) * BLOCK_BYTES;
    int within = column % NVFP4_COLUMNS;
    const char* scales = block + FACTORS_BYTES + within / NVFP4_GROUP * TILE_ROWS;
    vec::Floats scale[PARTS];
    for (int p = 0; p < PARTS; p++) {
      scale[p] = scales_of((const float*)block + p * vec::WIDTH, scales + p * vec::WIDTH);
    }
    const char* codes = block + FACTORS_BYTES + SCALES_BYTES + within / 2 * TILE_ROWS;
    fetch_ahead<NVFP4_GROUP / 2 * TILE_ROWS>(codes);
    for (int i = 0; i < NVFP4_GROUP; i += 2) {
      pair(column - a.skipped + i, codes, scale);
      codes += TILE_ROWS;
    }
  }
}

// Activations are f32, or f32 rounded to bf16.
struct Nvfp4 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    const float* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const float*)(x + t * a.x_stride);
    }
    auto pair = [&](int column, const char* codes, const vec::Floats* scale) __attribute__((always_inline)) {
      for (int p = 0; p < PARTS; p++) {
        vec::Ints both = vec::load_bytes(codes + p * vec::WIDTH);
        vec::Floats even = rounded_to_bf16(weights_of(vec::bit_and(both, vec::ints(15)), scale[p]));
        vec::Floats odd = rounded_to_bf16(weights_of(vec::shift_right_signed<4>(both), scale[p]));
        add_pair<N>(even, odd, row, column, sum.of[p]);
      }
    };
    for_each_pair(a, tile, pair);
    sum.store(out, a.out_stride, rows);
  }
};

#ifdef __AVX512BF16__

// Activations are pairs of bf16. The instruction that rounds makes subnormal weights zero, as the one that multiplies does.
struct Nvfp4Bf16 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    const int* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const int*)(x + t * a.x_stride);
    }
    // Numbers i and i + 16 beside each other.
    const __m512i beside =
      _mm512_add_epi32(_mm512_mullo_epi32(vec::lane_numbers(), vec::ints(0x10001)), vec::ints(16 << 16));
    auto pair = [&](int column, const char* codes, const vec::Floats* scale) __attribute__((always_inline)) {
      vec::Ints both = vec::load_bytes(codes);
      vec::Floats even = weights_of(vec::bit_and(both, vec::ints(15)), scale[0]);
      vec::Floats odd = weights_of(vec::shift_right_signed<4>(both), scale[0]);
      __m512i parted = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
      __m512bh weights = (__m512bh)_mm512_permutexvar_epi16(beside, parted);
      add_pair<N>(weights, row, column / 2, sum.of[0]);
    };
    for_each_pair(a, tile, pair);
    sum.store(out, a.out_stride, rows);
  }
};

#else
using Nvfp4Bf16 = Nvfp4;
#endif

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

LOCKSTEP_MATMUL(lockstep_matmul_nvfp4_f32, Nvfp4)
LOCKSTEP_MATMUL(lockstep_matmul_nvfp4_bf16, Nvfp4Bf16)
LOCKSTEP_PACK(lockstep_pack_nvfp4, pack_nvfp4)
