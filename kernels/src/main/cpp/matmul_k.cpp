// SPDX-License-Identifier: Apache-2.0
// Weights of super-blocks of 256. Layouts are in planes.h.
#include "matmul.h"
#include "planes.h"
#include "stored.h"

// Sub-blocks [first, end) of a tile, one super-block after another, whose halves are converted once.
template <class Codes, class Body>
__attribute__((always_inline)) static inline void for_each_sub_block(const char* tile, int first, int end, Body body) {
  using Layout = SuperBlocks<Codes>;
  const char* super = tile + Layout::halves(first);
  for (int at = first; at < end; super += Layout::BYTES) {
    __m512 scale = f16x16(super);
    __m512 minimum = f16x16(super + 2 * TILE_ROWS);
    int within = at % Layout::SUB_BLOCKS;
    int next = at + Layout::SUB_BLOCKS - within < end ? at + Layout::SUB_BLOCKS - within : end;
    const char* own = super + Layout::sub_scales(within);
    const char* codes = super + Layout::codes(within);
    for (; at < next; at++) {
      body(scale, minimum, own, codes);
      own += Layout::SUB_SCALES_BYTES;
      codes += Codes::BYTES;
    }
  }
}

// A sub-block of 32 columns has one scale and one minimum, stored as bytes [scale, minimum][16 rows].
template <class Codes>
struct WholeSubBlocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    int first = a.skipped / BLOCK;
    const Int8Block* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
      sum[t] = _mm512_setzero_ps();
    }
    auto sub_block = [&](__m512 scale_half, __m512 minimum_half, const char* scales, const char* codes)
                         __attribute__((always_inline)) {
      __m512i dot[N];
      for (int t = 0; t < N; t++) {
        dot[t] = _mm512_setzero_si512();
      }
      fetch_ahead<Codes::BYTES>(codes);
      add_dots<Codes, N, 0, STEPS>(row, codes, dot);
      const __m128i* own = (const __m128i*)scales;
      __m512 scale = _mm512_mul_ps(scale_half, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128(own))));
      __m512 minimum = _mm512_mul_ps(minimum_half, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128(own + 1))));
      for (int t = 0; t < N; t++) {
        __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(row[t]->scale));
        sum[t] = _mm512_fmadd_ps(both, _mm512_cvtepi32_ps(dot[t]), sum[t]);
        sum[t] = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(row[t]->scaled_sum), sum[t]);
        row[t]++;
      }
    };
    for_each_sub_block<Codes>(tile, first, first + a.columns / BLOCK, sub_block);
    for (int t = 0; t < N; t++) {
      _mm512_mask_storeu_ps(out + t * a.out_stride, mask, sum[t]);
    }
  }
};

// A sub-block of 32 columns has two scales, stored as bytes [16 rows][2]: signed, or with MINIMUM the scale in the low
// and the minimum in the high nibble. OFFSET is subtracted from every code.
template <class Codes, int OFFSET, bool MINIMUM>
struct HalfSubBlocks {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* tile, __mmask16 mask, float* out) {
    int first = a.skipped / BLOCK;
    const Int8Block* row[N];
    __m512 sum[N];
    for (int t = 0; t < N; t++) {
      row[t] = (const Int8Block*)(x + t * a.x_stride);
      sum[t] = _mm512_setzero_ps();
    }
    auto sub_block = [&](__m512 scale, __m512 minimum, const char* scales, const char* codes)
                         __attribute__((always_inline)) {
      __m256i own = _mm256_load_si256((const __m256i*)scales);
      __m512i pairs = MINIMUM ? _mm512_and_si512(_mm512_cvtepu8_epi16(own), _mm512_set1_epi16(15))
                              : _mm512_cvtepi8_epi16(own);
      __m512i first_scale = _mm512_srai_epi32(_mm512_slli_epi32(pairs, 16), 16);
      __m512i second_scale = _mm512_srai_epi32(pairs, 16);
      __m512i dot[N];
      __m512i total[N];
      for (int t = 0; t < N; t++) {
        dot[t] = _mm512_set1_epi32(-OFFSET * row[t]->half_sum[0]);
      }
      fetch_ahead<Codes::BYTES>(codes);
      add_dots<Codes, N, 0, STEPS / 2>(row, codes, dot);
      for (int t = 0; t < N; t++) {
        total[t] = _mm512_mullo_epi32(dot[t], first_scale);
        dot[t] = _mm512_set1_epi32(-OFFSET * row[t]->half_sum[1]);
      }
      add_dots<Codes, N, STEPS / 2, STEPS>(row, codes, dot);
      for (int t = 0; t < N; t++) {
        total[t] = _mm512_add_epi32(total[t], _mm512_mullo_epi32(dot[t], second_scale));
        __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(row[t]->scale));
        sum[t] = _mm512_fmadd_ps(both, _mm512_cvtepi32_ps(total[t]), sum[t]);
      }
      if constexpr (MINIMUM) {
        __m512i minimums = _mm512_srli_epi16(_mm512_cvtepu8_epi16(own), 4);
        for (int t = 0; t < N; t++) {
          __m512i sums = _mm512_set1_epi32(load<int32_t>(row[t]->half_sum));
          __m512 both = _mm512_mul_ps(minimum, _mm512_set1_ps(row[t]->scale));
          sum[t] = _mm512_fnmadd_ps(both, _mm512_cvtepi32_ps(_mm512_madd_epi16(minimums, sums)), sum[t]);
        }
      }
      for (int t = 0; t < N; t++) {
        row[t]++;
      }
    };
    for_each_sub_block<Codes>(tile, first, first + a.columns / BLOCK, sub_block);
    for (int t = 0; t < N; t++) {
      _mm512_mask_storeu_ps(out + t * a.out_stride, mask, sum[t]);
    }
  }
};

using Q2_K = HalfSubBlocks<Planes<2, 0>, 0, true>;
using Q3_K = HalfSubBlocks<Planes<2, 1>, 4, false>;
using Q4_K = WholeSubBlocks<Planes<4, 0>>;
using Q5_K = WholeSubBlocks<Planes<4, 1>>;
using Q6_K = HalfSubBlocks<Planes<4, 2>, 32, false>;

LOCKSTEP_MATMUL(lockstep_matmul_q2_k, Q2_K)
LOCKSTEP_MATMUL(lockstep_matmul_q3_k, Q3_K)
LOCKSTEP_MATMUL(lockstep_matmul_q4_k, Q4_K)
LOCKSTEP_MATMUL(lockstep_matmul_q5_k, Q5_K)
LOCKSTEP_MATMUL(lockstep_matmul_q6_k, Q6_K)
