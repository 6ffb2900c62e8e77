// SPDX-License-Identifier: Apache-2.0
// Root mean square norm of rows. Sixteen partial sums (column c goes to sum c mod 16), added by
// the fixed tree of lanes.h; one thread computes a whole row.
#include <cmath>

#include "lanes.h"

using namespace lockstep;

namespace {

float square_sum(const float* x, int64_t columns) {
  Lanes squares = broadcast(0);
  int64_t c = 0;
  for (; c + LANES <= columns; c += LANES) {
    Lanes a = load(x + c);
    squares = fma(a, a, squares);
  }
  if (c < columns) {
    Lanes a = load_first(x + c, static_cast<int>(columns - c));
    squares = fma(a, a, squares);
  }
  return sum(squares);
}

void scale(const float* x, const float* weight, int64_t columns, float mean, float epsilon,
           float* out) {
  Lanes factor = broadcast(1.0f / std::sqrt(mean + epsilon));
  int64_t c = 0;
  for (; c + LANES <= columns; c += LANES) {
    store(out + c, multiply(multiply(load(x + c), factor), load(weight + c)));
  }
  if (c < columns) {
    int rest = static_cast<int>(columns - c);
    Lanes a = multiply(load_first(x + c, rest), factor);
    store_first(out + c, multiply(a, load_first(weight + c, rest)), rest);
  }
}

void normalize(const float* x, const float* weight, int64_t columns, float epsilon, float* out) {
  scale(x, weight, columns, square_sum(x, columns) / static_cast<float>(columns), epsilon, out);
}

}  // namespace

// Rows [from, to): out[row] = the sum of the squares of x.
LOCKSTEP void lockstep_square_sums(const float* x, int64_t x_stride, int64_t columns, float* out,
                                   int64_t out_stride, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    out[row * out_stride] = square_sum(x + row * x_stride, columns);
  }
}

// Rows [from, to): x = x / sqrt(sums / count + epsilon) · weight, with given sums.
LOCKSTEP void lockstep_normalize_by_sums(float* x, int64_t x_stride, const float* sums,
                                         int64_t sums_stride, int64_t count, const float* weight,
                                         int64_t columns, float epsilon, int64_t from,
                                         int64_t to) {
  for (int64_t row = from; row < to; row++) {
    float* values = x + row * x_stride;
    scale(values, weight, columns, sums[row * sums_stride] / static_cast<float>(count), epsilon,
          values);
  }
}

// Rows [from, to): out = x / sqrt(mean(x²) + epsilon) · weight. Strides in elements.
LOCKSTEP void lockstep_rms_norm(const float* x, int64_t x_stride, const float* weight,
                                int64_t columns, float epsilon, float* out, int64_t out_stride,
                                int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    normalize(x + row * x_stride, weight, columns, epsilon, out + row * out_stride);
  }
}

// Rows [from, to): residual += x, out = norm of residual.
LOCKSTEP void lockstep_add_rms_norm(const float* x, int64_t x_stride, float* residual,
                                    int64_t residual_stride, const float* weight,
                                    int64_t columns, float epsilon, float* out,
                                    int64_t out_stride, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    const float* added = x + row * x_stride;
    float* sums = residual + row * residual_stride;
    int64_t c = 0;
    for (; c + LANES <= columns; c += LANES) {
      store(sums + c, add(load(sums + c), load(added + c)));
    }
    for (; c < columns; c++) {
      sums[c] += added[c];
    }
    normalize(sums, weight, columns, epsilon, out + row * out_stride);
  }
}
