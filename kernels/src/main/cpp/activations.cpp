// SPDX-License-Identifier: Apache-2.0
// Prepares rows of f32 activations for a weight format.
#include "int8.h"

// Converts rows of f32 to pairs of bf16 (with the instruction) or to f32 rounded to bf16; an odd last column is padded.
LOCKSTEP void lockstep_activations_bf16(const float* x, int64_t x_stride, int columns, char* target,
                                        int64_t row_bytes, int row_from, int row_to) {
  for (int row = row_from; row < row_to; row++) {
    const float* in = x + row * x_stride;
#ifdef __AVX512BF16__
    uint16_t* out = (uint16_t*)(target + row * row_bytes);
    for (int column = 0; column < columns; column++) {
      out[column] = float_to_bf16(in[column]);
    }
#else
    float* out = (float*)(target + row * row_bytes);
    for (int column = 0; column < columns; column++) {
      out[column] = bf16_to_float(float_to_bf16(in[column]));
    }
#endif
    if (columns % 2 != 0) {
      out[columns] = 0;
    }
  }
}

static inline void quantize_block(const float* in, Int8Block* out) {
  constexpr int REGISTERS = BLOCK / vec::WIDTH, HALF = REGISTERS / 2;
  // The largest magnitude, compared as integers, so that a NaN is larger than every number and reaches the product.
  vec::Ints greatest = vec::ints(0);
  for (int i = 0; i < REGISTERS; i++) {
    greatest = vec::maximum(greatest, vec::as_ints(vec::magnitude(vec::load(in + i * vec::WIDTH))));
  }
  float largest = bits_to_float((uint32_t)vec::largest(greatest));
  float scale = largest / 127.0f;
  float inverse = 127.0f / largest;
  if (scale < 0x1p-126f) { // below it the inverse overflows
    scale = 0;
    inverse = 0;
  }
  vec::Ints sums[2] = {vec::ints(0), vec::ints(0)};
  for (int i = 0; i < REGISTERS; i++) {
    vec::Ints q = vec::to_ints(vec::multiply(vec::load(in + i * vec::WIDTH), vec::broadcast(inverse)));
    vec::store_signed_bytes(out->value + i * vec::WIDTH, q);
    sums[i / HALF] = vec::add(sums[i / HALF], q);
  }
  int first_sum = vec::sum(sums[0]);
  int second_sum = vec::sum(sums[1]);
  int sum = first_sum + second_sum;
  out->scale = scale;
  out->correction = -128 * sum;
  out->scaled_sum = scale * (float)sum;
  out->half_sum[0] = (int16_t)first_sum;
  out->half_sum[1] = (int16_t)second_sum;
}

LOCKSTEP void lockstep_activations_int8(const float* x, int64_t x_stride, int columns, char* target,
                                        int64_t row_bytes, int row_from, int row_to) {
  for (int row = row_from; row < row_to; row++) {
    const float* in = x + row * x_stride;
    Int8Block* out = (Int8Block*)(target + row * row_bytes);
    for (int block = 0; block < columns / BLOCK; block++) {
      quantize_block(in + block * BLOCK, out + block);
    }
  }
}
