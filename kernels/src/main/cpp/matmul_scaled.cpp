// SPDX-License-Identifier: Apache-2.0
// Weights of blocks of 32 with an f16 scale, and Q5_1 with a minimum. Layouts are in planes.h.
#include "matmul.h"
#include "planes.h"
#include "stored.h"

// Codes that index a table of values.
struct Iq4NlValues {
  static constexpr int BYTES = Planes<4, 0>::BYTES;

  template <int STEP>
  static __m512i get(const char* weights) {
    const __m512i values = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)IQ4_NL_VALUES));
    return _mm512_shuffle_epi8(values, Planes<4, 0>::get<STEP>(weights));
  }
};

// OFFSET is subtracted from every code.
template <class Codes, int OFFSET>
struct Scaled {
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
      __m512i dot[N];
      for (int t = 0; t < N; t++) {
        dot[t] = _mm512_set1_epi32(-OFFSET * (row[t]->half_sum[0] + row[t]->half_sum[1]));
      }
      const char* codes = tile + ScaledPairs<Codes>::codes(block);
      fetch_ahead<Codes::BYTES + 2 * TILE_ROWS>(codes);
      add_dots<Codes, N, 0, STEPS>(row, codes, dot);
      __m512 scale = f16x16(tile + ScaledPairs<Codes>::scales(block));
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

struct Q5_1 {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    using Codes = Planes<4, 1>;
    int blocks = a.columns / BLOCK;
    const Int8Block* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
      sum[t] = _mm512_setzero_ps();
    }
    for (int block = 0; block < blocks; block++) {
      __m512i dot[N];
      for (int t = 0; t < N; t++) {
        dot[t] = _mm512_setzero_si512();
      }
      const char* codes = tile + ScaledWithMinimum<Codes>::codes(block);
      fetch_ahead<ScaledWithMinimum<Codes>::BLOCK_BYTES>(codes);
      add_dots<Codes, N, 0, STEPS>(row, codes, dot);
      const char* scales = tile + ScaledWithMinimum<Codes>::scales(block);
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

using Q4_0 = Scaled<Planes<4, 0>, 8>;
using Q5_0 = Scaled<Planes<4, 1>, 16>;
using Iq4Nl = Scaled<Iq4NlValues, 128>;

LOCKSTEP_MATMUL(lockstep_matmul_q4_0, Q4_0)
LOCKSTEP_MATMUL(lockstep_matmul_q5_0, Q5_0)
LOCKSTEP_MATMUL(lockstep_matmul_q5_1, Q5_1)
LOCKSTEP_MATMUL(lockstep_matmul_iq4_nl, Iq4Nl)
