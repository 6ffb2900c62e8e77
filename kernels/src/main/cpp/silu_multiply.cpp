// out = gate / (1 + e^-gate) · up.
#include "lanes.h"

using namespace lockstep;

namespace {

Lanes gated(Lanes gate, Lanes up) {
  const Lanes one = broadcast(1);
  Lanes e = exponential(subtract(broadcast(0), gate));
  return multiply(divide(gate, add(one, e)), up);
}

}  // namespace

// Rows [from, to) of gate_up [rows, 2 · columns] into out [rows, columns]. Strides in elements.
LOCKSTEP void lockstep_silu_multiply(const float* gate_up, int64_t stride, int64_t columns,
                                     float* out, int64_t out_stride, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    const float* gate = gate_up + row * stride;
    const float* up = gate + columns;
    float* target = out + row * out_stride;
    int64_t c = 0;
    for (; c + LANES <= columns; c += LANES) {
      store(target + c, gated(load(gate + c), load(up + c)));
    }
    if (c < columns) {
      int rest = static_cast<int>(columns - c);
      store_first(target + c, gated(load_first(gate + c, rest), load_first(up + c, rest)),
                  rest);
    }
  }
}
