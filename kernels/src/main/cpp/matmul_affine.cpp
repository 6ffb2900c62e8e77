// SPDX-License-Identifier: Apache-2.0
// Integers with a scale and an offset or a zero point for each group of blocks. Layouts are in planes.h.
#include "matmul.h"
#include "planes.h"

// w = scale · code + minimum; with ZERO the minimum is −scale · zero, exact in a float.
template <class Codes, int SUB_BLOCKS, bool ZERO>
struct Affine {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    using Groups = AffineGroups<Codes, SUB_BLOCKS>;
    const Int8Block* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
    }
    int first = a.skipped / BLOCK;
    for (int block = first; block < first + a.columns / BLOCK; block++) {
      const char* codes = tile + Groups::codes(block);
      const char* scales = tile + Groups::scales(block);
      fetch_ahead<Codes::BYTES>(codes);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints dot[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(-REMAINING_OFFSET<Codes, 0> * (row[t]->half_sum[0] + row[t]->half_sum[1]));
        }
        add_dots<Codes, N, 0, STEPS>(row, codes + p * 4 * vec::WIDTH, dot);
        vec::Floats scale = vec::load_f16(scales + p * 2 * vec::WIDTH);
        vec::Floats minimum = vec::load_f16(scales + 2 * TILE_ROWS + p * 2 * vec::WIDTH);
        if constexpr (ZERO) {
          minimum = vec::multiply(vec::multiply(scale, minimum), vec::broadcast(-1));
        }
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

using Q4Offset = Affine<Planes<4, 0>, 2, false>;
using Q4Zero = Affine<Planes<4, 0>, 2, true>;
using Q4Zero32 = Affine<Planes<4, 0>, 1, true>;
using Q8Offset = Affine<Planes<8, 0>, 1, false>;
using Q8Zero = Affine<Planes<8, 0>, 2, true>;
using Q8Zero32 = Affine<Planes<8, 0>, 1, true>;

LOCKSTEP_MATMUL(lockstep_matmul_q4_offset, Q4Offset)
LOCKSTEP_MATMUL(lockstep_matmul_q4_zero, Q4Zero)
LOCKSTEP_MATMUL(lockstep_matmul_q4_zero_32, Q4Zero32)
LOCKSTEP_MATMUL(lockstep_matmul_q8_offset, Q8Offset)
LOCKSTEP_MATMUL(lockstep_matmul_q8_zero, Q8Zero)
LOCKSTEP_MATMUL(lockstep_matmul_q8_zero_32, Q8Zero32)
