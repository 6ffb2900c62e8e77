// SPDX-License-Identifier: Apache-2.0
// Activation functions of a feed-forward layer, alone or times an up projection. SiLU and GELU have
// the form x · share(x), with a share between 0 and 1.
#include "lanes.h"

using namespace lockstep;

namespace {

// Numbered as in NativeElementOps.java.
enum Kind { SILU, GELU_TANH, GELU_ERF, CLAMPED_SWIGLU, RELU_SQUARED };

// x / (1 + e^-y): x times the logistic function of y.
Lanes logistic_share(Lanes x, Lanes y) {
  return divide(x, add(exponential(subtract(broadcast(0), y)), broadcast(1)));
}

Lanes silu(Lanes x) { return logistic_share(x, x); }

// x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))) is x times the logistic function of twice that.
Lanes gelu_tanh(Lanes x) {
  Lanes inner = fma(multiply(broadcast(0.044715f), multiply(x, x)), x, x);
  return logistic_share(x, multiply(broadcast(0x1.988454p0f), inner));
}

// erfc(z) = e^-z² · t · polynomial(t), t = 1 / (1 + z/2), z ≥ 0; fitted at Chebyshev nodes.
Lanes complement(Lanes z) {
  Lanes t = divide(broadcast(1), fma(z, broadcast(0.5f), broadcast(1)));
  Lanes p = fma(broadcast(-0x1.e61912p-5f), t, broadcast(0x1.24d7dap-2f));
  p = fma(p, t, broadcast(-0x1.f60aecp-2f));
  p = fma(p, t, broadcast(0x1.208106p-2f));
  p = fma(p, t, broadcast(-0x1.deec1cp-6f));
  p = fma(p, t, broadcast(0x1.a16314p-3f));
  p = fma(p, t, broadcast(0x1.f14dc2p-3f));
  p = fma(p, t, broadcast(0x1.2130c6p-2f));
  p = fma(p, t, broadcast(0x1.20dabcp-2f));
  return multiply(multiply(exponential(subtract(broadcast(0), multiply(z, z))), t), p);
}

Lanes gelu_erf(Lanes x) {
  Lanes half = multiply(broadcast(0.5f), complement(multiply(magnitude(x), broadcast(0x1.6a09e6p-1f))));
  return multiply(x, where_below(x, broadcast(0), half, subtract(broadcast(1), half)));
}

// A NaN stays one.
Lanes relu_squared(Lanes x) {
  Lanes positive = where_below(x, broadcast(0), broadcast(0), x);
  return multiply(positive, positive);
}

Lanes activated(int kind, Lanes x) {
  switch (kind) {
    case GELU_TANH: return gelu_tanh(x);
    case GELU_ERF: return gelu_erf(x);
    case RELU_SQUARED: return relu_squared(x);
    default: return silu(x);
  }
}

// logistic_share(g, 1.702 g) · (u + 1), g the gate up to 7, u between -7 and 7. A NaN stays one.
Lanes clamped_swiglu(Lanes gate, Lanes up) {
  Lanes seven = broadcast(7), minus = broadcast(-7);
  Lanes g = where_below(seven, gate, seven, gate);
  Lanes u = where_below(up, minus, minus, where_below(seven, up, seven, up));
  return multiply(logistic_share(g, multiply(broadcast(1.702f), g)), add(u, broadcast(1)));
}

Lanes gated(int kind, Lanes gate, Lanes up) {
  return kind == CLAMPED_SWIGLU ? clamped_swiglu(gate, up) : multiply(activated(kind, gate), up);
}

}  // namespace

// Rows [from, to) of x [rows, columns] into out, which may be x. Strides in elements.
LOCKSTEP void lockstep_activate(int32_t kind, const float* x, int64_t stride, int64_t columns,
                                float* out, int64_t out_stride, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    const float* source = x + row * stride;
    float* target = out + row * out_stride;
    int64_t c = 0;
    for (; c + LANES <= columns; c += LANES) store(target + c, activated(kind, load(source + c)));
    if (c < columns) {
      int rest = static_cast<int>(columns - c);
      store_first(target + c, activated(kind, load_first(source + c, rest)), rest);
    }
  }
}

// Rows [from, to) of gate_up [rows, 2 · columns] into out [rows, columns]. Strides in elements.
LOCKSTEP void lockstep_activate_multiply(int32_t kind, const float* gate_up, int64_t stride,
                                         int64_t columns, float* out, int64_t out_stride,
                                         int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    const float* gate = gate_up + row * stride;
    const float* up = gate + columns;
    float* target = out + row * out_stride;
    int64_t c = 0;
    for (; c + LANES <= columns; c += LANES) {
      store(target + c, gated(kind, load(gate + c), load(up + c)));
    }
    if (c < columns) {
      int rest = static_cast<int>(columns - c);
      store_first(target + c, gated(kind, load_first(gate + c, rest), load_first(up + c, rest)), rest);
    }
  }
}
