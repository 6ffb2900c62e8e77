// SPDX-License-Identifier: Apache-2.0
// Products of weights in bf16, which may have been made of shorter ones a moment before.
//
// Every sum adds its columns in ascending order, however many tiles are computed at once: some are, because a tile and
// few tokens have fewer sums than hide the latency of an instruction.
#pragma once

#include "matmul.h"

constexpr int BF16_PAIR_BYTES = 4 * TILE_ROWS;

// Two columns of the rows of a tile, [16 rows][2].
struct Bf16Pair {
  vec::Ints of[PARTS];

  static Bf16Pair at(const char* weights) {
    Bf16Pair result;
    for (int p = 0; p < PARTS; p++) {
      result.of[p] = vec::load_ints(weights + p * 4 * vec::WIDTH);
    }
    return result;
  }

  void store(char* weights) const {
    for (int p = 0; p < PARTS; p++) {
      vec::store((int32_t*)(weights + p * 4 * vec::WIDTH), of[p]);
    }
  }
};

// Activations are f32, or f32 rounded to bf16.
struct TimesF32 {
  using Pair = const float[2];

  // Adds the products of one pair of columns: G tiles, N tokens.
  template <int N, int G>
  __attribute__((always_inline)) static void add(const Bf16Pair* weights, Pair* const* row, int pair, Sums<N>* sum) {
    for (int g = 0; g < G; g++) {
      for (int p = 0; p < PARTS; p++) {
        vec::Floats even = vec::as_floats(vec::shift_left<16>(weights[g].of[p]));
        vec::Floats odd = vec::as_floats(vec::bit_and(weights[g].of[p], vec::ints((int)0xFFFF0000)));
        for (int t = 0; t < N; t++) {
          sum[g].of[p][t] = vec::fma(even, vec::broadcast(row[t][pair][0]), sum[g].of[p][t]);
          sum[g].of[p][t] = vec::fma(odd, vec::broadcast(row[t][pair][1]), sum[g].of[p][t]);
        }
      }
    }
  }
};

#ifdef __AVX512BF16__

// Activations are pairs of bf16. The instruction takes subnormal numbers for zero.
struct TimesBf16 {
  using Pair = const int;

  template <int N, int G>
  __attribute__((always_inline)) static void add(const Bf16Pair* weights, Pair* const* row, int pair, Sums<N>* sum) {
    for (int t = 0; t < N; t++) {
      __m512bh both = (__m512bh)_mm512_set1_epi32(row[t][pair]);
      for (int g = 0; g < G; g++) {
        sum[g].of[0][t] = _mm512_dpbf16_ps(sum[g].of[0][t], (__m512bh)weights[g].of[0], both);
      }
    }
  }
};

#else
using TimesBf16 = TimesF32;
#endif

// Tiles that are computed at once where there are as many tokens as a kernel takes.
constexpr int BF16_TILES = PARTS == 1 ? 2 : 1;

// Activations of N tokens, from the first column on.
template <class Times, int N>
struct Bf16Rows {
  typename Times::Pair* of[N];

  Bf16Rows(const MatmulArguments& a, const char* x) {
    for (int t = 0; t < N; t++) {
      of[t] = (typename Times::Pair*)(x + t * a.x_stride);
    }
  }
};

// Adds pairs [from, to) of N tokens, times the weights of G tiles that are `tile_bytes` apart, from pair `from` on. Asks
// for those that follow if `ahead` is not null.
template <class Times, int N, int G>
__attribute__((always_inline)) static inline void add_pairs(const Bf16Rows<Times, N>& rows, int from, int to,
                                                            const char* weights, int64_t tile_bytes, Sums<N>* sum,
                                                            const Ahead<G, N>* ahead) {
  for (int pair = from; pair < to; pair++) {
    if (ahead) ahead->template fetch<BF16_PAIR_BYTES>(weights);
    Bf16Pair loaded[G];
    for (int g = 0; g < G; g++) {
      loaded[g] = Bf16Pair::at(weights + g * tile_bytes);
    }
    Times::template add<N, G>(loaded, rows.of, pair, sum);
    weights += BF16_PAIR_BYTES;
  }
}
