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
  __m512 low = _mm512_loadu_ps(in);
  __m512 high = _mm512_loadu_ps(in + 16);
  // The largest magnitude, compared as integers, so that a NaN is larger than every number and reaches the product.
  __m512i low_bits = _mm512_castps_si512(_mm512_abs_ps(low));
  __m512i high_bits = _mm512_castps_si512(_mm512_abs_ps(high));
  float largest = bits_to_float((uint32_t)_mm512_reduce_max_epi32(_mm512_max_epi32(low_bits, high_bits)));
  float scale = largest / 127.0f;
  float inverse = 127.0f / largest;
  if (scale < 0x1p-126f) { // below it the inverse overflows
    scale = 0;
    inverse = 0;
  }
  // The default rounding mode is half to even.
  __m512i first = _mm512_cvtps_epi32(_mm512_mul_ps(low, _mm512_set1_ps(inverse)));
  __m512i second = _mm512_cvtps_epi32(_mm512_mul_ps(high, _mm512_set1_ps(inverse)));
  int first_sum = _mm512_reduce_add_epi32(first);
  int second_sum = _mm512_reduce_add_epi32(second);
  int sum = first_sum + second_sum;
  _mm_storeu_si128((__m128i*)out->value, _mm512_cvtsepi32_epi8(first));
  _mm_storeu_si128((__m128i*)(out->value + 16), _mm512_cvtsepi32_epi8(second));
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
