// SPDX-License-Identifier: Apache-2.0
// Q8_0 weights, tile [pair of blocks]: [2][16 rows] f16 scales, [2][8][16 rows][4] of q + 128. One stream, all of
// it aligned.
#include "matmul.h"
#include "planes.h"

struct Q8_0 {
  using Codes = Planes<8, 0>;

  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    int blocks = a.columns / BLOCK;
    const Int8Block* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
    }
    for (int block = 0; block < blocks; block++) {
      const char* pair = tile + (int64_t)(block / 2) * Q8_PAIR_BYTES;
      const char* weights = pair + Q8_SCALES_BYTES + block % 2 * (BLOCK * TILE_ROWS);
      fetch_ahead<BLOCK * TILE_ROWS + 2 * TILE_ROWS>(weights);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints dot[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(REMAINING_OFFSET<Codes, 128> == 0 ? 0 : row[t]->correction);
        }
        add_dots<Codes, N, 0, STEPS>(row, weights + p * 4 * vec::WIDTH, dot);
        vec::Floats scale = vec::load_f16(pair + block % 2 * (2 * TILE_ROWS) + p * 2 * vec::WIDTH);
        for (int t = 0; t < N; t++) {
          vec::Floats both = vec::multiply(scale, vec::broadcast(row[t]->scale));
          sum.of[p][t] = vec::fma(both, vec::to_floats(dot[t]), sum.of[p][t]);
        }
        end_part();
      }
      for (int t = 0; t < N; t++) {
        row[t]++;
      }
    }
    sum.store(out, a.out_stride, rows);
  }
};

LOCKSTEP_MATMUL(lockstep_matmul_q8_0, Q8_0)
