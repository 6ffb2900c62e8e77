// SPDX-License-Identifier: Apache-2.0
// Q4_1 weights, tile [block]: [scale, minimum][16 rows] of f16, then [4][16 rows][4] of two nibbles each (columns c
// and c + 16 of the block).
#include "int8.h"
#include "matmul.h"

struct Q4_1 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    int blocks = a.columns / BLOCK;
    const __m512i nibble = _mm512_set1_epi8(0x0F);
    const Int8Block* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
      sum[t] = _mm512_setzero_ps();
    }
    for (int block = 0; block < blocks; block++) {
      const char* scales = tile + (int64_t)block * Q4_BLOCK_BYTES;
      const char* weights = scales + Q4_SCALES_BYTES;
      fetch_ahead<Q4_BLOCK_BYTES>(scales);
      __m512i dot[N];
      for (int t = 0; t < N; t++) {
        dot[t] = _mm512_setzero_si512();
      }
#pragma GCC unroll 4
      for (int four = 0; four < 4; four++) {
        __m512i both = _mm512_load_si512(weights + four * 64);
        __m512i low = _mm512_and_si512(both, nibble);
        __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
        for (int t = 0; t < N; t++) {
          dot4(dot[t], low, row[t]->value + four * 4);
        }
        for (int t = 0; t < N; t++) {
          dot4(dot[t], high, row[t]->value + 16 + four * 4);
        }
      }
      __m512 scale = f16x16(scales);
      __m512 minimum = f16x16(scales + 2 * TILE_ROWS);
      for (int t = 0; t < N; t++) {
        __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(row[t]->scale));
        sum[t] = _mm512_fmadd_ps(both, _mm512_cvtepi32_ps(dot[t]), sum[t]);
        sum[t] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(row[t]->scaled_sum), sum[t]);
        row[t]++;
      }
    }
    for (int t = 0; t < N; t++) {
      _mm512_mask_storeu_ps(out + t * a.out_stride, mask, sum[t]);
    }
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_q4_1, Q4_1)
