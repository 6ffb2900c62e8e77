// SPDX-License-Identifier: Apache-2.0
// bf16 weights, tile [column / 2][16 rows][2], an odd last column padded with zero.
// With the bf16 instruction activations are bf16 pairs; without, f32 values already rounded to bf16.
#include "matmul.h"

struct Bf16 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    const char* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = x + t * a.x_stride;
      sum[t] = _mm512_setzero_ps();
    }
    int pairs = (a.columns + 1) / 2;
    for (int pair = 0; pair < pairs; pair++) {
      __m512i w = _mm512_load_si512(tile + (int64_t)pair * 64);
      fetch_ahead<64>(tile + (int64_t)pair * 64);
#ifdef __AVX512BF16__
      for (int t = 0; t < N; t++) {
        __m512i both = _mm512_set1_epi32(((const int*)row[t])[pair]);
        sum[t] = _mm512_dpbf16_ps(sum[t], (__m512bh)w, (__m512bh)both);
      }
#else
      __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
      __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(w, _mm512_set1_epi32((int)0xFFFF0000)));
      for (int t = 0; t < N; t++) {
        const float* both = (const float*)row[t] + 2 * pair;
        sum[t] = _mm512_fmadd_ps(even, _mm512_set1_ps(both[0]), sum[t]);
        sum[t] = _mm512_fmadd_ps(odd, _mm512_set1_ps(both[1]), sum[t]);
      }
#endif
    }
    for (int t = 0; t < N; t++) {
      _mm512_mask_storeu_ps(out + t * a.out_stride, mask, sum[t]);
    }
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_bf16, Bf16)
