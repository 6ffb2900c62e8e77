// SPDX-License-Identifier: Apache-2.0
// x = x · y, or x · logistic(y), in place. Grid: (rows, tiles of columns); any number of threads.
#include "ls_math.cuh"

// y with one column is a factor of a whole row.
#define MULTIPLY_FIELDS(F) F(View, x) F(View, y) F(int32_t, logistic) F(int32_t, unused)
LS_STRUCT(MultiplyParams, MULTIPLY_FIELDS, 56)

LS_KERNEL(multiply, MultiplyParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  const ACTIVATION* y = row_of<const ACTIVATION>(p.y, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    float factor = to_float(y[p.y.columns == 1 ? 0 : c]), value = to_float(x[c]);
    put(x + c, p.logistic ? logistic_share(value, factor) : value * factor);
  }
}
