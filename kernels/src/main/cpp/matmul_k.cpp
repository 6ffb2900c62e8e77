// SPDX-License-Identifier: Apache-2.0
// Weights of super-blocks of 256. Layouts are in planes.h.
#include "matmul.h"
#include "planes.h"
#include "table_codes.h"

// The scales and minimums of a super-block, as floats.
struct Halves {
  vec::Floats scale[PARTS];
  vec::Floats minimum[PARTS];
};

// Sub-blocks [first, end) of a tile, one super-block after another, whose halves are converted once.
template <class Codes, class Body>
__attribute__((always_inline)) static inline void for_each_sub_block(const char* tile, int first, int end, Body body) {
  using Layout = SuperBlocks<Codes>;
  const char* super = tile + Layout::halves(first);
  for (int at = first; at < end; super += Layout::BYTES) {
    Halves halves;
    for (int p = 0; p < PARTS; p++) {
      halves.scale[p] = vec::load_f16(super + p * 2 * vec::WIDTH);
      halves.minimum[p] = vec::load_f16(super + 2 * TILE_ROWS + p * 2 * vec::WIDTH);
    }
    int within = at % Layout::SUB_BLOCKS;
    int next = at + Layout::SUB_BLOCKS - within < end ? at + Layout::SUB_BLOCKS - within : end;
    const char* own = super + Layout::sub_scales(within);
    const char* codes = super + Layout::codes(within);
    for (; at < next; at++) {
      body(halves, own, codes);
      own += Layout::SUB_SCALES_BYTES;
      codes += Codes::BYTES;
    }
  }
}

// A sub-block of 32 columns has one scale and one minimum, stored as bytes [scale, minimum][16 rows].
template <class Codes>
struct WholeSubBlocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    int first = a.skipped / BLOCK;
    const Int8Block* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
    }
    auto sub_block = [&](const Halves& halves, const char* scales, const char* codes) __attribute__((always_inline)) {
      fetch_ahead<Codes::BYTES>(codes);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints dot[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(0);
        }
        add_dots<Codes, N, 0, STEPS>(row, codes + p * 4 * vec::WIDTH, dot);
        const char* own = scales + p * vec::WIDTH;
        vec::Floats scale = vec::multiply(halves.scale[p], vec::to_floats(vec::load_bytes(own)));
        vec::Floats minimum = vec::multiply(halves.minimum[p], vec::to_floats(vec::load_bytes(own + TILE_ROWS)));
        for (int t = 0; t < N; t++) {
          vec::Floats both = vec::multiply(scale, vec::broadcast(row[t]->scale));
          sum.of[p][t] = vec::fma(both, vec::to_floats(dot[t]), sum.of[p][t]);
          sum.of[p][t] = vec::subtract_product(minimum, vec::broadcast(row[t]->scaled_sum), sum.of[p][t]);
        }
        end_part();
      }
      for (int t = 0; t < N; t++) {
        row[t]++;
      }
    };
    for_each_sub_block<Codes>(tile, first, first + a.columns / BLOCK, sub_block);
    sum.store(out, a.out_stride, rows);
  }
};

// A sub-block of 32 columns has two scales, stored as bytes [16 rows][2]: signed, or with MINIMUM the scale in the low
// and the minimum in the high nibble. OFFSET is subtracted from every code; DIVISOR divides every weight.
template <class Codes, int OFFSET, bool MINIMUM, int DIVISOR = 1>
struct HalfSubBlocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    int first = a.skipped / BLOCK;
    const Int8Block* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
    }
    auto sub_block = [&](const Halves& halves, const char* scales, const char* codes) __attribute__((always_inline)) {
      fetch_ahead<Codes::BYTES>(codes);
      for (int p = 0; p < PARTS; p++) {
        const char* own = scales + p * 2 * vec::WIDTH;
        const char* part = codes + p * 4 * vec::WIDTH;
        vec::Ints pairs = MINIMUM ? vec::bit_and(vec::load_pairs(own), vec::pairs(15)) : vec::load_signed_pairs(own);
        vec::Ints first_scale = vec::shift_right_signed<16>(vec::shift_left<16>(pairs));
        vec::Ints second_scale = vec::shift_right_signed<16>(pairs);
        vec::Floats scale =
            DIVISOR == 1 ? halves.scale[p] : vec::multiply(halves.scale[p], vec::broadcast(1.0f / DIVISOR));
        vec::Ints dot[N];
        vec::Ints total[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(-REMAINING_OFFSET<Codes, OFFSET> * row[t]->half_sum[0]);
        }
        add_dots<Codes, N, 0, STEPS / 2>(row, part, dot);
        for (int t = 0; t < N; t++) {
          total[t] = vec::multiply(dot[t], first_scale);
          dot[t] = vec::ints(-REMAINING_OFFSET<Codes, OFFSET> * row[t]->half_sum[1]);
        }
        add_dots<Codes, N, STEPS / 2, STEPS>(row, part, dot);
        for (int t = 0; t < N; t++) {
          total[t] = vec::add(total[t], vec::multiply(dot[t], second_scale));
          vec::Floats both = vec::multiply(scale, vec::broadcast(row[t]->scale));
          sum.of[p][t] = vec::fma(both, vec::to_floats(total[t]), sum.of[p][t]);
        }
        if constexpr (MINIMUM) {
          vec::Ints minimums = vec::shift_right_pairs<4>(vec::load_pairs(own));
          for (int t = 0; t < N; t++) {
            vec::Ints sums = vec::ints(load<int32_t>(row[t]->half_sum));
            vec::Floats both = vec::multiply(halves.minimum[p], vec::broadcast(row[t]->scale));
            vec::Floats least = vec::to_floats(vec::multiply_pairs(minimums, sums));
            sum.of[p][t] = vec::subtract_product(both, least, sum.of[p][t]);
          }
        }
        end_part();
      }
      for (int t = 0; t < N; t++) {
        row[t]++;
      }
    };
    for_each_sub_block<Codes>(tile, first, first + a.columns / BLOCK, sub_block);
    sum.store(out, a.out_stride, rows);
  }
};

using Q2_K = HalfSubBlocks<Planes<2, 0>, 0, true>;
using Q3_K = HalfSubBlocks<Planes<2, 1>, 4, false>;
using Q4_K = WholeSubBlocks<Planes<4, 0>>;
using Q5_K = WholeSubBlocks<Planes<4, 1>>;
using Q6_K = HalfSubBlocks<Planes<4, 2>, 32, false>;
using Iq4Xs = HalfSubBlocks<TableCodes<IQ4_NL_VALUES, 255>, 128, false>;
using Iq2Grid = HalfSubBlocks<TableCodes<IQ2_VALUES, 86>, 43, false, 8>;
using Iq3Grid = HalfSubBlocks<TableCodes<IQ3_VALUES, 124>, 62, false, 4>;

LOCKSTEP_MATMUL(lockstep_matmul_q2_k, Q2_K)
LOCKSTEP_MATMUL(lockstep_matmul_q3_k, Q3_K)
LOCKSTEP_MATMUL(lockstep_matmul_q4_k, Q4_K)
LOCKSTEP_MATMUL(lockstep_matmul_q5_k, Q5_K)
LOCKSTEP_MATMUL(lockstep_matmul_q6_k, Q6_K)
LOCKSTEP_MATMUL(lockstep_matmul_iq4_xs, Iq4Xs)
LOCKSTEP_MATMUL(lockstep_matmul_iq2_grid, Iq2Grid)
LOCKSTEP_MATMUL(lockstep_matmul_iq3_grid, Iq3Grid)
