// SPDX-License-Identifier: Apache-2.0
// f32 weights, tile [column][16 rows]: acc = fma(w, x, acc) over ascending columns.
#include "matmul.h"

struct F32 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    const float* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const float*)(x + t * a.x_stride);
    }
    const float* weights = (const float*)tile;
    for (int column = 0; column < a.columns; column++) {
      const float* w = weights + (int64_t)column * TILE_ROWS;
      fetch_ahead<4 * TILE_ROWS>((const char*)w);
      for (int p = 0; p < PARTS; p++) {
        vec::Floats part = vec::load(w + p * vec::WIDTH);
        for (int t = 0; t < N; t++) {
          sum.of[p][t] = vec::fma(part, vec::broadcast(row[t][column]), sum.of[p][t]);
        }
      }
    }
    sum.store(out, a.out_stride, rows);
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_f32, F32)
