// SPDX-License-Identifier: Apache-2.0
// bf16 weights, tile [column / 2][16 rows][2], an odd last column padded with zero.
// With the bf16 instruction activations are bf16 pairs; without, f32 values already rounded to bf16.
#include "bf16.h"

template <int G>
struct Bf16 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tiles, int rows, float* out) {
    Sums<N> sum[G];
    clear_all(sum);
    Ahead<G, N> ahead(a, tiles);
    add_pairs<TimesBf16, N, G>({a, x}, 0, (a.columns + 1) / 2, tiles, a.tile_bytes, sum, &ahead);
    store_all(sum, out, a.out_stride, rows);
  }
};

// Few tokens are as fast as memory with one tile.
static inline void multiply_bf16(const MatmulArguments& a, int tile_from, int tile_to) {
  int tile = tile_from;
  if (a.tokens >= vec::TOKENS) {
    for (; tile + BF16_TILES <= tile_to; tile += BF16_TILES) {
      multiply_tokens<Bf16<BF16_TILES>>(a, tile, rows_of_tile(a.rows, tile + BF16_TILES - 1));
    }
  }
  multiply_tiles<Bf16<1>>(a, tile, tile_to);
}

LOCKSTEP_MATMUL_BY(lockstep_matmul_bf16, multiply_bf16)
