// SPDX-License-Identifier: Apache-2.0
// What kernels of weights in short floats share: a weight is rounded to bf16 in a register, so that products have the bits
// of those of a decoded matrix.
#pragma once

#include "matmul.h"

// Half to even, in f32. NaNs of a product are quiet, so that none becomes another number.
static inline vec::Floats rounded_to_bf16(vec::Floats a) {
  vec::Ints bits = vec::as_ints(a);
  vec::Ints odd = vec::bit_and(vec::shift_right_signed<16>(bits), vec::ints(1));
  vec::Ints sum = vec::add(vec::add(bits, vec::ints(0x7FFF)), odd);
  return vec::as_floats(vec::bit_and(sum, vec::ints((int)0xFFFF0000)));
}
