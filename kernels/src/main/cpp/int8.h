// SPDX-License-Identifier: Apache-2.0
// Activations quantized to int8, one record per block of 32 columns.
#pragma once

#include "lockstep.h"

constexpr int BLOCK = 32;

struct Int8Block {
  int8_t value[BLOCK]; // q
  float scale;         // da
  int32_t correction;  // −128 · Σ q: removes the offset of weights stored as q + 128
  float scaled_sum;    // da · (float) Σ q: the factor of a minimum
  int16_t half_sum[2]; // Σ q of columns 0 … 15, and of 16 … 31
};
static_assert(sizeof(Int8Block) == 48);
