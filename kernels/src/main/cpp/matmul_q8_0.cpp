// SPDX-License-Identifier: Apache-2.0
// Q8_0 weights, tile [pair of blocks]: [2][16 rows] f16 scales, [2][8][16 rows][4] of q + 128. One stream, all of
// it aligned.
#include "int8.h"
#include "matmul.h"

struct Q8_0 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    int blocks = a.columns / BLOCK;
    const Int8Block* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
      sum[t] = _mm512_setzero_ps();
    }
    for (int block = 0; block < blocks; block++) {
      const char* pair = tile + (int64_t)(block / 2) * Q8_PAIR_BYTES;
      const char* weights = pair + Q8_SCALES_BYTES + block % 2 * (BLOCK * TILE_ROWS);
      fetch_ahead<BLOCK * TILE_ROWS + 2 * TILE_ROWS>(weights);
      __m512i dot[N];
      for (int t = 0; t < N; t++) {
        dot[t] = _mm512_set1_epi32(row[t]->correction);
      }
#pragma GCC unroll 8
      for (int four = 0; four < 8; four++) {
        __m512i w = _mm512_load_si512(weights + four * 64);
        for (int t = 0; t < N; t++) {
          dot4(dot[t], w, row[t]->value + four * 4);
        }
      }
      __m512 scale = f16x16(pair + block % 2 * (2 * TILE_ROWS));
      for (int t = 0; t < N; t++) {
        __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(row[t]->scale));
        sum[t] = _mm512_fmadd_ps(both, _mm512_cvtepi32_ps(dot[t]), sum[t]);
        row[t]++;
      }
    }
    for (int t = 0; t < N; t++) {
      _mm512_mask_storeu_ps(out + t * a.out_stride, mask, sum[t]);
    }
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_q8_0, Q8_0)
