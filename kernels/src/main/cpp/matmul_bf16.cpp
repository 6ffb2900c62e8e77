// SPDX-License-Identifier: Apache-2.0
// bf16 weights, tile [column / 2][16 rows][2], an odd last column padded with zero.
// With the bf16 instruction activations are bf16 pairs; without, f32 values already rounded to bf16.
#include "matmul.h"

struct Bf16 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    const char* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = x + t * a.x_stride;
    }
    int pairs = (a.columns + 1) / 2;
    for (int pair = 0; pair < pairs; pair++) {
      const char* w = tile + (int64_t)pair * 4 * TILE_ROWS;
      fetch_ahead<4 * TILE_ROWS>(w);
#ifdef __AVX512BF16__
      for (int t = 0; t < N; t++) {
        __m512i both = _mm512_set1_epi32(((const int*)row[t])[pair]);
        sum.of[0][t] = _mm512_dpbf16_ps(sum.of[0][t], (__m512bh)vec::load_ints(w), (__m512bh)both);
      }
#else
      for (int p = 0; p < PARTS; p++) {
        vec::Ints both = vec::load_ints(w + p * 4 * vec::WIDTH);
        vec::Floats even = vec::as_floats(vec::shift_left<16>(both));
        vec::Floats odd = vec::as_floats(vec::bit_and(both, vec::ints((int)0xFFFF0000)));
        for (int t = 0; t < N; t++) {
          const float* x = (const float*)row[t] + 2 * pair;
          sum.of[p][t] = vec::fma(even, vec::broadcast(x[0]), sum.of[p][t]);
          sum.of[p][t] = vec::fma(odd, vec::broadcast(x[1]), sum.of[p][t]);
        }
      }
#endif
    }
    sum.store(out, a.out_stride, rows);
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_bf16, Bf16)
