// SPDX-License-Identifier: Apache-2.0
// Layer norm of rows: mean and variance by sixteen partial sums each (column c goes to sum c mod
// 16), added by the fixed tree of lanes.h; one thread computes a whole row.
#include <cmath>

#include "lanes.h"

using namespace lockstep;

namespace {

float mean_of(const float* x, int64_t columns) {
  Lanes sums = broadcast(0);
  int64_t c = 0;
  for (; c + LANES <= columns; c += LANES) sums = add(sums, load(x + c));
  if (c < columns) sums = add(sums, load_first(x + c, static_cast<int>(columns - c)));
  return sum(sums) / static_cast<float>(columns);
}

float variance_of(const float* x, int64_t columns, float mean) {
  Lanes centre = broadcast(mean);
  Lanes squares = broadcast(0);
  int64_t c = 0;
  for (; c + LANES <= columns; c += LANES) {
    Lanes a = subtract(load(x + c), centre);
    squares = fma(a, a, squares);
  }
  if (c < columns) {
    int rest = static_cast<int>(columns - c);
    Lanes a = keep_first(subtract(load_first(x + c, rest), centre), rest, broadcast(0));
    squares = fma(a, a, squares);
  }
  return sum(squares) / static_cast<float>(columns);
}

void normalize(const float* x, const float* weight, const float* bias, int64_t columns,
               float epsilon, float* out) {
  float mean = mean_of(x, columns);
  Lanes factor = broadcast(1.0f / std::sqrt(variance_of(x, columns, mean) + epsilon));
  Lanes centre = broadcast(mean);
  int64_t c = 0;
  for (; c + LANES <= columns; c += LANES) {
    Lanes a = multiply(subtract(load(x + c), centre), factor);
    store(out + c, fma(a, load(weight + c), load(bias + c)));
  }
  if (c < columns) {
    int rest = static_cast<int>(columns - c);
    Lanes a = multiply(subtract(load_first(x + c, rest), centre), factor);
    store_first(out + c, fma(a, load_first(weight + c, rest), load_first(bias + c, rest)), rest);
  }
}

}  // namespace

// Rows [from, to): out = (x - mean) / sqrt(variance + epsilon) · weight + bias. Strides in elements.
LOCKSTEP void lockstep_layer_norm(const float* x, int64_t x_stride, const float* weight,
                                  const float* bias, int64_t columns, float epsilon, float* out,
                                  int64_t out_stride, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    normalize(x + row * x_stride, weight, bias, columns, epsilon, out + row * out_stride);
  }
}
