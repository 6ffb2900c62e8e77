// SPDX-License-Identifier: Apache-2.0
// Weights whose codes of 4 bits stand in bytes of two columns, the first in the lower half: values of a table times a scale.
// What a `Format` of short_floats.h shares of such weights.
#pragma once

#include "short_floats.h"

template <class Times>
struct CodePairs {
  static constexpr int PAIR_BYTES = TILE_ROWS;

  struct Scales {
    vec::Floats of[PARTS];
  };

  // Two columns, of 16 values that codes stand for.
  static Bf16Pair pair_of(const float* values, const char* codes, const Scales& scales) {
    Bf16Pair result;
    for (int p = 0; p < PARTS; p++) {
      vec::Ints both = vec::load_bytes(codes + p * vec::WIDTH);
      vec::Floats even = vec::multiply(vec::look_up(values, both), scales.of[p]);
      vec::Floats odd = vec::multiply(vec::look_up(values, vec::shift_right_signed<4>(both)), scales.of[p]);
      result.of[p] = rounded(even, odd);
    }
    return result;
  }

 private:
  static vec::Ints rounded(vec::Floats even, vec::Floats odd);
};

template <>
inline vec::Ints CodePairs<TimesF32>::rounded(vec::Floats even, vec::Floats odd) {
  return rounded_to_bf16(even, odd);
}

#ifdef __AVX512BF16__

// The instruction that rounds makes subnormal weights zero, as the one that multiplies does.
template <>
inline vec::Ints CodePairs<TimesBf16>::rounded(vec::Floats even, vec::Floats odd) {
  // Numbers i and i + 16 beside each other.
  const vec::Ints beside = vec::add(vec::multiply(vec::lane_numbers(), vec::ints(0x10001)), vec::ints(16 << 16));
  return _mm512_permutexvar_epi16(beside, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

#endif
