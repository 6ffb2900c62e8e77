// SPDX-License-Identifier: Apache-2.0
// Element-wise ops. Rows [from, to), strides in elements.
#include "lanes.h"

using namespace lockstep;

namespace {

template <typename Function>
void each(float* x, int64_t stride, int64_t columns, int64_t from, int64_t to, Function function) {
  for (int64_t row = from; row < to; row++) {
    float* values = x + row * stride;
    int64_t c = 0;
    for (; c + LANES <= columns; c += LANES) {
      store(values + c, function(load(values + c), row, c, LANES));
    }
    if (c < columns) {
      int rest = static_cast<int>(columns - c);
      store_first(values + c, function(load_first(values + c, rest), row, c, rest), rest);
    }
  }
}

}  // namespace

// x += y, row by row; y_stride 0 adds the same row to every row.
LOCKSTEP void lockstep_add(float* x, int64_t stride, const float* y, int64_t y_stride,
                           int64_t columns, int64_t from, int64_t to) {
  each(x, stride, columns, from, to, [=](Lanes a, int64_t row, int64_t c, int count) {
    return add(a, load_first(y + row * y_stride + c, count));
  });
}

// x += y / (1 + e^-logit), with the logit of each row.
LOCKSTEP void lockstep_add_gated(float* x, int64_t stride, const float* y, int64_t y_stride,
                                 const float* logits, int64_t logit_stride, int64_t columns,
                                 int64_t from, int64_t to) {
  each(x, stride, columns, from, to, [=](Lanes a, int64_t row, int64_t c, int count) {
    Lanes e = exponential(subtract(broadcast(0), broadcast(logits[row * logit_stride])));
    Lanes share = divide(broadcast(1), add(e, broadcast(1)));
    return fma(share, load_first(y + row * y_stride + c, count), a);
  });
}

// x = x · factor
LOCKSTEP void lockstep_scale(float* x, int64_t stride, float factor, int64_t columns,
                             int64_t from, int64_t to) {
  each(x, stride, columns, from, to,
       [=](Lanes a, int64_t, int64_t, int) { return multiply(a, broadcast(factor)); });
}

// x[row] = x[row] · factors[positions[row]]
LOCKSTEP void lockstep_scale_rows(float* x, int64_t stride, const float* factors,
                                  const int32_t* positions, int64_t columns, int64_t from,
                                  int64_t to) {
  each(x, stride, columns, from, to, [=](Lanes a, int64_t row, int64_t, int) {
    return multiply(a, broadcast(factors[positions[row]]));
  });
}

// x = positive · x² + beta · x above 0, negative · (e^min(x, epsilon) - 1 - x) + beta · x elsewhere
LOCKSTEP void lockstep_xielu(float* x, int64_t stride, float positive, float negative, float beta,
                             float epsilon, int64_t columns, int64_t from, int64_t to) {
  each(x, stride, columns, from, to, [=](Lanes a, int64_t, int64_t, int) {
    Lanes linear = multiply(broadcast(beta), a);
    Lanes above = fma(multiply(broadcast(positive), a), a, linear);
    Lanes small = where_below(a, broadcast(epsilon), a, broadcast(epsilon));
    Lanes curve = subtract(subtract(exponential(small), broadcast(1)), a);
    return where_below(broadcast(0), a, above, fma(broadcast(negative), curve, linear));
  });
}

// x = cap · tanh(x / cap)
LOCKSTEP void lockstep_soft_cap(float* x, int64_t stride, float cap, int64_t columns, int64_t from,
                                int64_t to) {
  each(x, stride, columns, from, to,
       [=](Lanes a, int64_t, int64_t, int) { return soft_cap(a, broadcast(cap)); });
}
