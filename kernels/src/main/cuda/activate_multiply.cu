// SPDX-License-Identifier: Apache-2.0
// out = activation(gate) · up. Grid: (rows, tiles of columns); any number of threads.
#include "ls_math.cuh"

// gate_up [rows, 2 · out.columns]: gate, then up. The product is rounded once.
#define ACTIVATE_MULTIPLY_FIELDS(F) F(View, gate_up) F(View, out) F(int32_t, kind) F(int32_t, unused)
LS_STRUCT(ActivateMultiplyParams, ACTIVATE_MULTIPLY_FIELDS, 56)

LS_KERNEL(activate_multiply, ActivateMultiplyParams) {
  const ACTIVATION* gate = row_of<ACTIVATION>(p.gate_up, blockIdx.x);
  const ACTIVATION* up = gate + p.out.columns;
  ACTIVATION* out = row_of<ACTIVATION>(p.out, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.out.columns; c += gridDim.y * blockDim.x) {
    put(out + c, gated(p.kind, to_float(gate[c]), to_float(up[c])));
  }
}
