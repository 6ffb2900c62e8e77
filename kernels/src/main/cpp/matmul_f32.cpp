// SPDX-License-Identifier: Apache-2.0
// f32 weights, tile [column][16 rows]: acc = fma(w, x, acc) over ascending columns.
#include "matmul.h"

struct F32 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    const float* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = (const float*)(x + t * a.x_stride);
      sum[t] = _mm512_setzero_ps();
    }
    const float* weights = (const float*)tile;
    for (int column = 0; column < a.columns; column++) {
      __m512 w = _mm512_load_ps(weights + (int64_t)column * TILE_ROWS);
      fetch_ahead<4 * TILE_ROWS>((const char*)(weights + (int64_t)column * TILE_ROWS));
      for (int t = 0; t < N; t++) {
        sum[t] = _mm512_fmadd_ps(w, _mm512_set1_ps(row[t][column]), sum[t]);
      }
    }
    for (int t = 0; t < N; t++) {
      _mm512_mask_storeu_ps(out + t * a.out_stride, mask, sum[t]);
    }
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_f32, F32)
