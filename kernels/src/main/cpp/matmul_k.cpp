// SPDX-License-Identifier: Apache-2.0
// Weights of super-blocks of 256. Layouts are in planes.h.
#include "matmul_int8.h"
#include "planes.h"
#include "table_codes.h"

// The scales and minimums of a super-block, as floats.
struct Halves {
  vec::Floats scale[PARTS];
  vec::Floats minimum[PARTS];

  void load(const char* super) {
    for (int p = 0; p < PARTS; p++) {
      scale[p] = vec::load_f16(super + p * 2 * vec::WIDTH);
      minimum[p] = vec::load_f16(super + 2 * TILE_ROWS + p * 2 * vec::WIDTH);
    }
  }
};

// Sub-blocks of G tiles, one super-block after another, whose halves are converted once. `body` gets those of each tile,
// and where the first tile has the scales and the codes.
template <class Codes, int G, int N, class Body>
__attribute__((always_inline)) static inline void for_each_sub_block(const MatmulArguments& a, const char* tiles,
                                                                     Body body) {
  using Layout = SuperBlocks<Codes>;
  constexpr int SHARE_BYTES = G == 1 ? Codes::BYTES : Layout::BYTES / Layout::SUB_BLOCKS;
  Ahead<G, N> ahead(a, tiles);
  int at = a.skipped / BLOCK;
  int end = at + a.columns / BLOCK;
  const char* super = tiles + Layout::halves(at);
  for (; at < end; super += Layout::BYTES) {
    Halves halves[G];
    for (int g = 0; g < G; g++) {
      halves[g].load(super + g * a.tile_bytes);
    }
    int within = at % Layout::SUB_BLOCKS;
    int next = at + Layout::SUB_BLOCKS - within < end ? at + Layout::SUB_BLOCKS - within : end;
    const char* scales = super + Layout::sub_scales(within);
    const char* codes = super + Layout::codes(within);
    const char* share = G == 1 ? codes : super + within * SHARE_BYTES;
    for (; at < next; at++) {
      ahead.template fetch<SHARE_BYTES>(share);
      body(halves, scales, codes);
      scales += Layout::SUB_SCALES_BYTES;
      codes += Codes::BYTES;
      share += SHARE_BYTES;
    }
  }
}

// A sub-block of 32 columns has one scale and one minimum, stored as bytes [scale, minimum][16 rows].
template <class Codes, int G>
struct WholeSubBlocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tiles, int rows, float* out) {
    constexpr int H = AT_ONCE<G>;
    Int8Rows<N> row(a, x);
    Sums<N> sum[G];
    clear_all(sum);
    auto sub_block = [&](const Halves* halves, const char* scales, const char* codes) __attribute__((always_inline)) {
      for (int r = 0; r < G * PARTS; r += H) {
        Dots<H, N> dots;
        begin<0>(row, dots);
        add_dots<Codes, 0, STEPS>(row.of, codes, r, a.tile_bytes, dots);
        vec::Floats scale[H];
        vec::Floats minimum[H];
        for (int h = 0; h < H; h++) {
          const char* own = scales + place(r + h, a.tile_bytes, vec::WIDTH);
          const Halves& super = halves[(r + h) / PARTS];
          scale[h] = vec::multiply(super.scale[(r + h) % PARTS], vec::to_floats(vec::load_bytes(own)));
          minimum[h] = vec::multiply(super.minimum[(r + h) % PARTS], vec::to_floats(vec::load_bytes(own + TILE_ROWS)));
        }
        for (int t = 0; t < N; t++) {
          for (int h = 0; h < H; h++) {
            vec::Floats& total = sum_of(sum, r + h, t);
            vec::Floats both = vec::multiply(scale[h], vec::broadcast(row.of[t]->scale));
            total = vec::fma(both, vec::to_floats(dots.of[h][t]), total);
            total = vec::subtract_product(minimum[h], vec::broadcast(row.of[t]->scaled_sum), total);
          }
        }
        forget_loads();
      }
      row.next();
    };
    for_each_sub_block<Codes, G, N>(a, tiles, sub_block);
    store_all(sum, out, a.out_stride, rows);
  }
};

// A sub-block of 32 columns has two scales, stored as bytes [16 rows][2]: signed, or with MINIMUM the scale in the low
// and the minimum in the high nibble. OFFSET is subtracted from every code. One tile at once: beside two there
// is no room for the sums of half a block.
template <class Codes, int OFFSET, bool MINIMUM>
struct HalfSubBlocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    constexpr int H = AT_ONCE<1>;
    Int8Rows<N> row(a, x);
    Sums<N> sum;
    sum.clear();
    auto sub_block = [&](const Halves* halves, const char* scales, const char* codes) __attribute__((always_inline)) {
      for (int r = 0; r < PARTS; r += H) {
        vec::Ints pairs[H];
        for (int h = 0; h < H; h++) {
          const char* own = scales + (r + h) * 2 * vec::WIDTH;
          pairs[h] = MINIMUM ? vec::bit_and(vec::load_pairs(own), vec::pairs(15)) : vec::load_signed_pairs(own);
        }
        vec::Ints total[H][N];
        Dots<H, N> dots;
        begin_half<REMAINING_OFFSET<Codes, OFFSET>, 0>(row, dots);
        add_dots<Codes, 0, STEPS / 2>(row.of, codes, r, 0, dots);
        for (int h = 0; h < H; h++) {
          vec::Ints first_scale = vec::shift_right_signed<16>(vec::shift_left<16>(pairs[h]));
          for (int t = 0; t < N; t++) {
            total[h][t] = vec::multiply(dots.of[h][t], first_scale);
          }
        }
        begin_half<REMAINING_OFFSET<Codes, OFFSET>, 1>(row, dots);
        add_dots<Codes, STEPS / 2, STEPS>(row.of, codes, r, 0, dots);
        for (int h = 0; h < H; h++) {
          vec::Ints second_scale = vec::shift_right_signed<16>(pairs[h]);
          for (int t = 0; t < N; t++) {
            vec::Ints whole = vec::add(total[h][t], vec::multiply(dots.of[h][t], second_scale));
            vec::Floats both = vec::multiply(halves->scale[r + h], vec::broadcast(row.of[t]->scale));
            sum.of[r + h][t] = vec::fma(both, vec::to_floats(whole), sum.of[r + h][t]);
          }
        }
        if constexpr (MINIMUM) {
          for (int h = 0; h < H; h++) {
            vec::Ints minimums = vec::shift_right_pairs<4>(vec::load_pairs(scales + (r + h) * 2 * vec::WIDTH));
            for (int t = 0; t < N; t++) {
              vec::Ints sums = vec::ints(load<int32_t>(row.of[t]->half_sum));
              vec::Floats both = vec::multiply(halves->minimum[r + h], vec::broadcast(row.of[t]->scale));
              vec::Floats least = vec::to_floats(vec::multiply_pairs(minimums, sums));
              sum.of[r + h][t] = vec::subtract_product(both, least, sum.of[r + h][t]);
            }
          }
        }
        forget_loads();
      }
      row.next();
    };
    for_each_sub_block<Codes, 1, N>(a, tile, sub_block);
    sum.store(out, a.out_stride, rows);
  }
};

using Q2_K = HalfSubBlocks<Planes<2, 0>, 0, true>;
using Q3_K = HalfSubBlocks<Planes<2, 1>, 4, false>;
template <int G> using Q4_K = WholeSubBlocks<Planes<4, 0>, G>;
template <int G> using Q5_K = WholeSubBlocks<Planes<4, 1>, G>;
using Q6_K = HalfSubBlocks<Planes<4, 2>, 32, false>;
using Iq4Xs = HalfSubBlocks<TableCodes<IQ4_NL_VALUES, 255>, 128, false>;

LOCKSTEP_MATMUL(lockstep_matmul_q2_k, Q2_K)
LOCKSTEP_MATMUL(lockstep_matmul_q3_k, Q3_K)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_k, Q4_K)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q5_k, Q5_K)
LOCKSTEP_MATMUL(lockstep_matmul_q6_k, Q6_K)
LOCKSTEP_MATMUL(lockstep_matmul_iq4_xs, Iq4Xs)
