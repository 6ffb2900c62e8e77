// SPDX-License-Identifier: Apache-2.0
// Addition in place. OTHER is the type of the addend. Grid: (rows, tiles of columns); any number of threads.
#include "ls_types.cuh"

// x += y; a y of one row is added to every row.
#define ADD_FIELDS(F) F(View, x) F(View, y)
LS_STRUCT(AddParams, ADD_FIELDS, 48)

LS_KERNEL(add, AddParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  const OTHER* y = row_of<OTHER>(p.y, p.y.rows == 1 ? 0 : blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, to_float(x[c]) + to_float(y[c]));
  }
}
