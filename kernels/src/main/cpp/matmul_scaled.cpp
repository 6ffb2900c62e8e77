// SPDX-License-Identifier: Apache-2.0
// Weights of blocks of 32 with a scale of 16 bits, and Q5_1 with a minimum. Layouts are in planes.h.
#include "matmul.h"
#include "planes.h"
#include "table_codes.h"

// OFFSET is subtracted from every code. Scales are f16, or bf16.
template <class Codes, int OFFSET, bool BF16 = false>
struct Scaled {
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
      const char* codes = tile + ScaledPairs<Codes>::codes(block);
      const char* scales = tile + ScaledPairs<Codes>::scales(block);
      fetch_ahead<Codes::BYTES + 2 * TILE_ROWS>(codes);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints dot[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(-REMAINING_OFFSET<Codes, OFFSET> * (row[t]->half_sum[0] + row[t]->half_sum[1]));
        }
        add_dots<Codes, N, 0, STEPS>(row, codes + p * 4 * vec::WIDTH, dot);
        const char* own = scales + p * 2 * vec::WIDTH;
        vec::Floats scale = BF16 ? vec::load_bf16(own) : vec::load_f16(own);
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

struct Q5_1 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, int rows, float* out) {
    using Codes = Planes<4, 1>;
    int blocks = a.columns / BLOCK;
    const Int8Block* row[N];
    Sums<N> sum;
    sum.clear();
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
    }
    for (int block = 0; block < blocks; block++) {
      const char* codes = tile + ScaledWithMinimum<Codes>::codes(block);
      const char* scales = tile + ScaledWithMinimum<Codes>::scales(block);
      fetch_ahead<ScaledWithMinimum<Codes>::BLOCK_BYTES>(codes);
      for (int p = 0; p < PARTS; p++) {
        vec::Ints dot[N];
        for (int t = 0; t < N; t++) {
          dot[t] = vec::ints(0);
        }
        add_dots<Codes, N, 0, STEPS>(row, codes + p * 4 * vec::WIDTH, dot);
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

using Q4_0 = Scaled<Planes<4, 0>, 8>;
using Q5_0 = Scaled<Planes<4, 1>, 16>;
using Iq4Nl = Scaled<TableCodes<IQ4_NL_VALUES, 255>, 128>;
using Mxfp4 = Scaled<TableCodes<MXFP4_VALUES, 24>, 12, true>;

LOCKSTEP_MATMUL(lockstep_matmul_q4_0, Q4_0)
LOCKSTEP_MATMUL(lockstep_matmul_q5_0, Q5_0)
LOCKSTEP_MATMUL(lockstep_matmul_q5_1, Q5_1)
LOCKSTEP_MATMUL(lockstep_matmul_iq4_nl, Iq4Nl)
LOCKSTEP_MATMUL(lockstep_matmul_mxfp4, Mxfp4)
