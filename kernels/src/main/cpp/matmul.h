// SPDX-License-Identifier: Apache-2.0
// The loop around every matmul kernel: tiles outside, groups of tokens inside, so that a tile's
// weights are read from memory once and from cache afterwards.
//
// A kernel is a functor `template <int N> tokens(arguments, x, tile, rows, out)`: N tokens times
// one tile, or several. A sum never depends on N, on the tile or on the thread.
#pragma once

#include "lockstep.h"

struct MatmulArguments {
  const char* x;      // prepared activations of the first token
  int64_t x_stride;   // bytes from token to token
  int tokens;
  int columns;
  int skipped;        // columns of the first stored block that precede the first one
  const char* weight; // first tile of the segment
  int64_t tile_bytes;
  int rows;
  float* out;
  int64_t out_stride; // elements from token to token
};

// Weights are asked for ahead of their use: the processor's own prefetchers lose the stream of weights among those of the
// tokens. For one tile by so many bytes; tiles follow each other, so this reaches into the next one.
constexpr int AHEAD_BYTES = 8192;

template <int BYTES>
__attribute__((always_inline)) static inline void fetch_ahead(const char* weights) {
  for (int line = 0; line < BYTES; line += 64) {
    __builtin_prefetch(weights + AHEAD_BYTES + line);
  }
}

// The same for G tiles that N tokens are multiplied by at once, the first of which begins at `tiles`. Where there are more
// groups of tokens, the tiles that follow are fetched meanwhile, if they fit beside these in the second-level cache. Else
// each tile is a stream of its own.
template <int G, int N>
class Ahead {
 public:
  Ahead(const MatmulArguments& a, const char* tiles)
      : tiles(tiles), tile_bytes(a.tile_bytes), meanwhile(a.tokens > N && G * a.tile_bytes <= FIT_BYTES) {}

  // Asks for what follows BYTES of each tile, those of the first one at `weights`.
  template <int BYTES>
  __attribute__((always_inline)) void fetch(const char* weights) const {
    if (G > 1 && meanwhile) {
      const char* next = tiles + G * (tile_bytes + weights - tiles);
      for (int line = 0; line < G * BYTES; line += 64) {
        __builtin_prefetch(next + line, 0, 2);
      }
    } else {
      for (int g = 0; g < G; g++) {
        fetch_ahead<BYTES>(weights + g * tile_bytes);
      }
    }
  }

 private:
  static constexpr int64_t FIT_BYTES = 288 << 10;
  const char* tiles;
  int64_t tile_bytes;
  bool meanwhile;
};

// Sums of N tokens times the rows of a tile.
template <int N>
struct Sums {
  vec::Floats of[PARTS][N];

  void clear() {
    for (int p = 0; p < PARTS; p++) {
      for (int t = 0; t < N; t++) {
        of[p][t] = vec::broadcast(0);
      }
    }
  }

  void load(const float* out, int64_t stride, int rows) {
    for (int p = 0; p < PARTS; p++) {
      for (int t = 0; t < N; t++) {
        of[p][t] = vec::load_first(out + t * stride + p * vec::WIDTH, rows - p * vec::WIDTH);
      }
    }
  }

  void store(float* out, int64_t stride, int rows) const {
    for (int p = 0; p < PARTS; p++) {
      for (int t = 0; t < N; t++) {
        vec::store_first(out + t * stride + p * vec::WIDTH, of[p][t], rows - p * vec::WIDTH);
      }
    }
  }
};

// The sums of G tiles that follow each other; `rows` are those of the last one.
template <int G, int N>
__attribute__((always_inline)) static inline void clear_all(Sums<N> (&sums)[G]) {
  for (int g = 0; g < G; g++) {
    sums[g].clear();
  }
}

template <int G, int N>
__attribute__((always_inline)) static inline void store_all(const Sums<N> (&sums)[G], float* out, int64_t stride, int rows) {
  for (int g = 0; g < G; g++) {
    sums[g].store(out + g * TILE_ROWS, stride, g + 1 < G ? TILE_ROWS : rows);
  }
}

// Calls the kernel for `count` tokens, LEAST to MOST.
template <class Kernel, int LEAST, int MOST>
static inline void multiply_count(const MatmulArguments& a, const char* x, int count, const char* tile, int rows,
                                  float* out) {
  if constexpr (LEAST <= MOST) {
    if (count == LEAST) {
      Kernel::template tokens<LEAST>(a, x, tile, rows, out);
    } else {
      multiply_count<Kernel, LEAST + 1, MOST>(a, x, count, tile, rows, out);
    }
  }
}

// Multiplies all tokens by a tile, or by several that follow each other; `rows` are those of the last one.
template <class Kernel>
static inline void multiply_tokens(const MatmulArguments& a, int tile, int rows) {
  const char* weights = a.weight + tile * a.tile_bytes;
  float* out = a.out + (int64_t)tile * TILE_ROWS;
  int token = 0;
  for (; token + vec::TOKENS <= a.tokens; token += vec::TOKENS) {
    Kernel::template tokens<vec::TOKENS>(a, a.x + token * a.x_stride, weights, rows, out + token * a.out_stride);
  }
  multiply_count<Kernel, 1, vec::TOKENS - 1>(a, a.x + token * a.x_stride, a.tokens - token, weights, rows,
                                             out + token * a.out_stride);
}

template <class Kernel>
static inline void multiply_tiles(const MatmulArguments& a, int tile_from, int tile_to) {
  for (int tile = tile_from; tile < tile_to; tile++) {
    multiply_tokens<Kernel>(a, tile, rows_of_tile(a.rows, tile));
  }
}

// The exported function of a kernel.
#define LOCKSTEP_MATMUL(name, Kernel) LOCKSTEP_MATMUL_BY(name, multiply_tiles<Kernel>)

// The exported function that calls a function of arguments, first tile and end of the tiles.
#define LOCKSTEP_MATMUL_BY(name, ...)                                                                               \
  LOCKSTEP void name(const char* x, int64_t x_stride, int tokens, int columns, int skipped, const char* weight,     \
                     int64_t tile_bytes, int rows, int tile_from, int tile_to, float* out, int64_t out_stride) {    \
    __VA_ARGS__({x, x_stride, tokens, columns, skipped, weight, tile_bytes, rows, out, out_stride}, tile_from,      \
                tile_to);                                                                                           \
  }
