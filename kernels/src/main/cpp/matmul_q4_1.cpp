// SPDX-License-Identifier: Apache-2.0
// Q4_1 weights, tile [block]: [scale, minimum][16 rows] of f16, then [4][16 rows][4] of two nibbles each (columns c
// and c + 16 of the block).
#include "matmul.h"
#include "planes.h"

struct Q4_1 {
  using Codes = Planes<4, 0>;

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
      const char* scales = tile + (int64_t)block * Q4_BLOCK_BYTES;
      fetch_ahead<Q4_BLOCK_BYTES>(scales);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints dot[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(0);
        }
        add_dots<Codes, N, 0, STEPS>(row, scales + Q4_SCALES_BYTES + p * 4 * vec::WIDTH, dot);
        vec::Floats scale = vec::load_f16(scales + p * 2 * vec::WIDTH);
        vec::Floats minimum = vec::load_f16(scales + 2 * TILE_ROWS + p * 2 * vec::WIDTH);
        for (int t = 0; t < N; t++) {
          vec::Floats both = vec::multiply(scale, vec::broadcast(row[t]->scale));
          sum.of[p][t] = vec::fma(both, vec::to_floats(dot[t]), sum.of[p][t]);
          sum.of[p][t] = vec::fma(minimum, vec::broadcast(row[t]->scaled_sum), sum.of[p][t]);
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

LOCKSTEP_MATMUL(lockstep_matmul_q4_1, Q4_1)
