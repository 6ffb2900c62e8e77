// SPDX-License-Identifier: Apache-2.0
// Products of weights whose codes multiply int8 activations: integer sums of 32 columns, then scales.
//
// A kernel is `template <int G>`, as it multiplies G tiles at once: an activation is loaded once for all of them.
#pragma once

#include "dots.h"
#include "matmul.h"

// Tiles that are computed at once where there are at least FEWEST_TOKENS, and the most tokens at once: as many sums as stay
// in registers. With fewer tokens memory decides, which has one stream of weights then.
#ifdef LOCKSTEP_BYTE_DOTS
constexpr int INT8_TILES = PARTS == 1 ? 2 : 1;
#else
constexpr int INT8_TILES = 1;
#endif
constexpr int FEWEST_TOKENS = 9;
constexpr int MOST_TOKENS = 6;

// Registers of rows are numbered through the tiles that a kernel multiplies: a tile has PARTS of them. AT_ONCE of them are
// computed together, so that an activation is loaded once for all of them.
template <int G>
constexpr int AT_ONCE = PARTS == 1 ? G : 2;

// Where what has `bytes` for each register of rows is, `tile_bytes` for each tile.
static inline int64_t place(int rows, int64_t tile_bytes, int bytes) {
  return rows / PARTS * tile_bytes + rows % PARTS * bytes;
}

template <int N>
static inline vec::Floats& sum_of(Sums<N>* sum, int rows, int token) {
  return sum[rows / PARTS].of[rows % PARTS][token];
}

// dots += codes of the registers from `rows` on, in steps [STEP, END), times the activations. `codes` are those of the first.
template <class Codes, int STEP, int END, int H, int N>
__attribute__((always_inline)) static inline void add_dots(const Int8Block* const* row, const char* codes, int rows,
                                                           int64_t tile_bytes, Dots<H, N>& dots) {
  constexpr int BYTES = 4 * vec::WIDTH;
  add_dots<Codes, STEP, END>(row, codes + place(rows, tile_bytes, BYTES), place(1, tile_bytes, BYTES), dots);
}

// The records of N tokens for a block; `next` moves on to the next block.
template <int N>
struct Int8Rows {
  const Int8Block* of[N];

  Int8Rows(const MatmulArguments& a, const char* x) {
    for (int t = 0; t < N; t++) {
      of[t] = (const Int8Block*)(x + t * a.x_stride);
    }
  }

  void next() {
    for (int t = 0; t < N; t++) {
      of[t]++;
    }
  }
};

// −OFFSET · Σ q of a block.
template <int OFFSET>
__attribute__((always_inline)) static inline vec::Ints without_offset(const Int8Block& x) {
  if constexpr (OFFSET == 0) {
    return vec::ints(0);
  } else if constexpr (OFFSET > 0 && 128 % OFFSET == 0) {
    return vec::shift_right_signed<__builtin_ctz(128 / OFFSET)>(vec::ints(x.correction));
  } else {
    return vec::ints(-OFFSET * (x.half_sum[0] + x.half_sum[1]));
  }
}

// Begins the sums of a block with what removes the offset.
template <int OFFSET, int G, int N>
__attribute__((always_inline)) static inline void begin(const Int8Rows<N>& row, Dots<G, N>& dots) {
  for (int t = 0; t < N; t++) {
    vec::Ints start = without_offset<OFFSET>(*row.of[t]);
    for (int g = 0; g < G; g++) {
      dots.of[g][t] = start;
    }
  }
}

// The same with the sums of half of a block.
template <int OFFSET, int HALF, int H, int N>
__attribute__((always_inline)) static inline void begin_half(const Int8Rows<N>& row, Dots<H, N>& dots) {
  for (int t = 0; t < N; t++) {
    vec::Ints start = vec::ints(-OFFSET * row.of[t]->half_sum[HALF]);
    for (int h = 0; h < H; h++) {
      dots.of[h][t] = start;
    }
  }
}

// Weights of blocks of 32 columns. `Format` has Codes; Layout, where a tile has the codes and the scales of a block, and how
// many bytes a block has; OFFSET, which is subtracted from every code; `Factors`, of a register of rows; and
// `add(factors, block, dot, sum)`.
template <class Format, int G>
struct Blocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tiles, int rows, float* out) {
    using Codes = typename Format::Codes;
    using Layout = typename Format::Layout;
    constexpr int H = AT_ONCE<G>;
    Int8Rows<N> row(a, x);
    Sums<N> sum[G];
    clear_all(sum);
    Ahead<G, N> ahead(a, tiles);
    int first = a.skipped / BLOCK;
    for (int block = first; block < first + a.columns / BLOCK; block++) {
      const char* codes = tiles + Layout::codes(block);
      const char* scales = tiles + Layout::scales(block);
      ahead.template fetch<Layout::BLOCK_BYTES>(tiles + (int64_t)block * Layout::BLOCK_BYTES);
      for (int r = 0; r < G * PARTS; r += H) {
        Dots<H, N> dots;
        begin<REMAINING_OFFSET<Codes, Format::OFFSET>>(row, dots);
        add_dots<Codes, 0, STEPS>(row.of, codes, r, a.tile_bytes, dots);
        typename Format::Factors factors[H];
        for (int h = 0; h < H; h++) {
          factors[h].load(scales + place(r + h, a.tile_bytes, 2 * vec::WIDTH));
        }
        for (int t = 0; t < N; t++) {
          for (int h = 0; h < H; h++) {
            Format::add(factors[h], *row.of[t], dots.of[h][t], sum_of(sum, r + h, t));
          }
        }
        forget_loads();
      }
      row.next();
    }
    store_all(sum, out, a.out_stride, rows);
  }
};

// A format whose weights are scale · code + minimum; with ZERO the minimum is −scale · zero, exact in a float.
template <class CodesOf, class LayoutOf, bool ZERO = false>
struct WithMinimum {
  using Codes = CodesOf;
  using Layout = LayoutOf;
  static constexpr int OFFSET = 0;

  struct Factors {
    vec::Floats scale;
    vec::Floats minimum;

    void load(const char* scales) {
      scale = vec::load_f16(scales);
      minimum = vec::load_f16(scales + 2 * TILE_ROWS);
      if (ZERO) minimum = vec::multiply(vec::multiply(scale, minimum), vec::broadcast(-1));
    }
  };

  static void add(const Factors& factors, const Int8Block& x, vec::Ints dot, vec::Floats& sum) {
    vec::Floats both = vec::multiply(factors.scale, vec::broadcast(x.scale));
    sum = vec::fma(both, vec::to_floats(dot), sum);
    sum = vec::fma(factors.minimum, vec::broadcast(x.scaled_sum), sum);
  }
};

// Multiplies all tokens by several tiles, in groups of nearly equal size: a small rest would have few sums.
template <class Kernel>
static inline void multiply_evenly(const MatmulArguments& a, int tile, int rows) {
  const char* weights = a.weight + tile * a.tile_bytes;
  float* out = a.out + (int64_t)tile * TILE_ROWS;
  int token = 0;
  for (int groups = (a.tokens + MOST_TOKENS - 1) / MOST_TOKENS; groups > 0; groups--) {
    int count = (a.tokens - token + groups - 1) / groups;
    multiply_count<Kernel, MOST_TOKENS / 2, MOST_TOKENS>(a, a.x + token * a.x_stride, count, weights, rows,
                                                         out + token * a.out_stride);
    token += count;
  }
}

template <template <int> class Kernel>
static inline void multiply_int8(const MatmulArguments& a, int tile_from, int tile_to) {
  int tile = tile_from;
  if (INT8_TILES > 1 && a.tokens >= FEWEST_TOKENS) {
    for (; tile + INT8_TILES <= tile_to; tile += INT8_TILES) {
      multiply_evenly<Kernel<INT8_TILES>>(a, tile, rows_of_tile(a.rows, tile + INT8_TILES - 1));
    }
  }
  multiply_tiles<Kernel<1>>(a, tile, tile_to);
}

#define LOCKSTEP_INT8_MATMUL(name, Kernel) LOCKSTEP_MATMUL_BY(name, multiply_int8<Kernel>)
