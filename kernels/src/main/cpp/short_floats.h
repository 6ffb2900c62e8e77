// SPDX-License-Identifier: Apache-2.0
// What kernels of weights in short floats share. A weight shorter than bf16 is rounded to it in a register, so that
// products have the bits of those of a decoded matrix.
#pragma once

#include "matmul.h"

// Half to even, in f32. NaNs of a product are quiet, so that none becomes another number.
static inline vec::Floats rounded_to_bf16(vec::Floats a) {
  vec::Ints bits = vec::as_ints(a);
  vec::Ints odd = vec::bit_and(vec::shift_right_signed<16>(bits), vec::ints(1));
  vec::Ints sum = vec::add(vec::add(bits, vec::ints(0x7FFF)), odd);
  return vec::as_floats(vec::bit_and(sum, vec::ints((int)0xFFFF0000)));
}

// Adds the weights of columns `column` and the next one, times the activations of each token in f32.
template <int N>
__attribute__((always_inline)) static inline void add_pair(vec::Floats even, vec::Floats odd, const float* const* row,
                                                           int column, vec::Floats* sum) {
  for (int t = 0; t < N; t++) {
    sum[t] = vec::fma(even, vec::broadcast(row[t][column]), sum[t]);
    sum[t] = vec::fma(odd, vec::broadcast(row[t][column + 1]), sum[t]);
  }
}

#ifdef __AVX512BF16__

// Adds pairs of weights in bf16, one in each lane, times the activations of each token, of which a pair is an int.
template <int N>
__attribute__((always_inline)) static inline void add_pair(__m512bh weights, const int* const* row, int pair,
                                                           vec::Floats* sum) {
  for (int t = 0; t < N; t++) {
    sum[t] = _mm512_dpbf16_ps(sum[t], weights, (__m512bh)_mm512_set1_epi32(row[t][pair]));
  }
}

#endif
