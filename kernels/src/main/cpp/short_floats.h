// SPDX-License-Identifier: Apache-2.0
// Products of weights in floats shorter than bf16. They are rounded to bf16 in registers, so that products have the bits
// of those of a decoded matrix.
//
// `Format` says how a tile holds them: PAIR_BYTES of the codes of two columns, `run_end(column)`, the end of the columns
// that have the scales of a column, `Scales`, `scales(tile, column)`, `codes(tile, column)`, and `pair(codes, scales)`.
// Columns count from the beginning of the tile, `skipped` of which precede the first one.
#pragma once

#include "bf16.h"

// Two columns of a register, rounded half to even. NaNs of a product are quiet, so that none becomes another number.
static inline vec::Ints rounded_to_bf16(vec::Floats even, vec::Floats odd) {
  auto rounded = [](vec::Floats a) __attribute__((always_inline)) {
    vec::Ints bits = vec::as_ints(a);
    vec::Ints last = vec::bit_and(vec::shift_right_signed<16>(bits), vec::ints(1));
    return vec::add(vec::add(bits, vec::ints(0x7FFF)), last);
  };
  vec::Ints low = vec::bit_and(vec::shift_right_signed<16>(rounded(even)), vec::ints(0xFFFF));
  return vec::bit_or(low, vec::bit_and(rounded(odd), vec::ints((int)0xFFFF0000)));
}

// Calls pair(column, weights) for each pair of columns [from, end) of G tiles that follow each other.
template <class Format, int G, class Pair>
__attribute__((always_inline)) static inline void for_each_pair(const char* tiles, int64_t tile_bytes, int from, int end,
                                                                Pair pair) {
  for (int column = from; column < end;) {
    typename Format::Scales scales[G];
    const char* codes[G];
    for (int g = 0; g < G; g++) {
      scales[g] = Format::scales(tiles + g * tile_bytes, column);
      codes[g] = Format::codes(tiles + g * tile_bytes, column);
    }
    int run_end = Format::run_end(column);
    int next = run_end < end ? run_end : end;
    for (; column < next; column += 2) {
      Bf16Pair weights[G];
      for (int g = 0; g < G; g++) {
        fetch_ahead<Format::PAIR_BYTES>(codes[g]);
        weights[g] = Format::pair(codes[g], scales[g]);
        codes[g] += Format::PAIR_BYTES;
      }
      pair(column, weights);
    }
  }
}

// Few tokens: each multiplies the weights while they are in a register.
template <class Format, class Times, int N, int G>
static inline void multiply_at_once(const MatmulArguments& a, int tile) {
  const char* tiles = a.weight + tile * a.tile_bytes;
  Bf16Rows<Times, N> rows(a, a.x);
  Sums<N> sum[G];
  for (int g = 0; g < G; g++) {
    sum[g].clear();
  }
  auto add = [&](int column, const Bf16Pair* weights) __attribute__((always_inline)) {
    Times::template add<N, G>(weights, rows.of, (column - a.skipped) / 2, sum);
  };
  for_each_pair<Format, G>(tiles, a.tile_bytes, a.skipped, a.skipped + a.columns, add);
  for (int g = 0; g < G; g++) {
    sum[g].store(a.out + (tile + g) * (int64_t)TILE_ROWS, a.out_stride, rows_of_tile(a.rows, tile + g));
  }
}

template <class Format, class Times, int N>
static inline void multiply_few(const MatmulArguments& a, int tile_from, int tile_to) {
  // As many sums as there are tiles in flight hide the latency; more than 16 would not stay in registers.
  constexpr int FIT = 16 / (N * PARTS * PARTS);
  constexpr int TILES = FIT >= 4 ? 4 : FIT >= 2 ? 2 : 1;
  int tile = tile_from;
  for (; tile + TILES <= tile_to; tile += TILES) {
    multiply_at_once<Format, Times, N, TILES>(a, tile);
  }
  for (; tile < tile_to; tile++) {
    multiply_at_once<Format, Times, N, 1>(a, tile);
  }
}

// Columns of a tile that are decoded at once for many tokens: with those of the tiles beside it they stay in the first
// cache.
constexpr int DECODED_COLUMNS = 256;

template <class Times, int G>
struct DecodedTiles {
  alignas(64) char weights[G][DECODED_COLUMNS / 2 * BF16_PAIR_BYTES];

  // Adds the columns from `from` on to the sums of N tokens, which are in `out` unless these are the first columns.
  template <int N>
  void add(const MatmulArguments& a, const char* x, int from, int columns, int rows, float* out) const {
    Sums<N> sum[G];
    for (int g = 0; g < G; g++) {
      if (from == 0) {
        sum[g].clear();
      } else {
        sum[g].load(out + g * TILE_ROWS, a.out_stride, g + 1 < G ? TILE_ROWS : rows);
      }
    }
    add_pairs<Times, N, G>({a, x}, from / 2, (from + columns + 1) / 2, weights[0], sizeof weights[0], sum, nullptr);
    store_all(sum, out, a.out_stride, rows);
  }

  // The same for tokens from `token` on, of which there are fewer than a kernel takes.
  void add_rest(const MatmulArguments& a, int token, int from, int columns, int rows, float* out) const {
    int left = a.tokens - token;
    if constexpr (vec::TOKENS > 4) {
      if (left >= 4) {
        add<4>(a, a.x + token * a.x_stride, from, columns, rows, out + token * a.out_stride);
        token += 4;
      }
    }
    if (left & 2) {
      add<2>(a, a.x + token * a.x_stride, from, columns, rows, out + token * a.out_stride);
      token += 2;
    }
    if (left & 1) {
      add<1>(a, a.x + token * a.x_stride, from, columns, rows, out + token * a.out_stride);
    }
  }
};

// Many tokens: weights are decoded once for all of them.
template <class Format, class Times, int G>
static inline void multiply_decoded(const MatmulArguments& a, int tile) {
  const char* tiles = a.weight + tile * a.tile_bytes;
  float* out = a.out + tile * (int64_t)TILE_ROWS;
  int rows = rows_of_tile(a.rows, tile + G - 1);
  DecodedTiles<Times, G> decoded;
  int from = 0;
  // Once without columns, too: the sums are zero then.
  do {
    int columns = a.columns - from < DECODED_COLUMNS ? a.columns - from : DECODED_COLUMNS;
    int first = a.skipped + from;
    for (int g = 0; g < G; g++) {
      auto keep = [&](int column, const Bf16Pair* weights) __attribute__((always_inline)) {
        weights->store(decoded.weights[g] + (column - first) / 2 * BF16_PAIR_BYTES);
      };
      for_each_pair<Format, 1>(tiles + g * a.tile_bytes, 0, first, first + columns, keep);
    }
    int token = 0;
    for (; token + vec::TOKENS <= a.tokens; token += vec::TOKENS) {
      decoded.template add<vec::TOKENS>(a, a.x + token * a.x_stride, from, columns, rows, out + token * a.out_stride);
    }
    decoded.add_rest(a, token, from, columns, rows, out);
    from += DECODED_COLUMNS;
  } while (from < a.columns);
}

template <template <class> class FormatOf, class Times>
static inline void multiply_short(const MatmulArguments& a, int tile_from, int tile_to) {
  using Format = FormatOf<Times>;
  switch (a.tokens) {
    case 1: return multiply_few<Format, Times, 1>(a, tile_from, tile_to);
    case 2: return multiply_few<Format, Times, 2>(a, tile_from, tile_to);
    case 3: return multiply_few<Format, Times, 3>(a, tile_from, tile_to);
  }
  if constexpr (vec::TOKENS > 4) {
    switch (a.tokens) {
      case 4: return multiply_few<Format, Times, 4>(a, tile_from, tile_to);
      case 5: return multiply_few<Format, Times, 5>(a, tile_from, tile_to);
      case 6: return multiply_few<Format, Times, 6>(a, tile_from, tile_to);
      case 7: return multiply_few<Format, Times, 7>(a, tile_from, tile_to);
    }
  }
  int tile = tile_from;
  for (; tile + BF16_TILES <= tile_to; tile += BF16_TILES) {
    multiply_decoded<Format, Times, BF16_TILES>(a, tile);
  }
  for (; tile < tile_to; tile++) {
    multiply_decoded<Format, Times, 1>(a, tile);
  }
}
