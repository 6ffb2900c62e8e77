// SPDX-License-Identifier: Apache-2.0
// Copy of type FROM to type TO. Grid: (rows, tiles of columns); any number of threads.
#include "ls_types.cuh"

#define COPY_FIELDS(F) F(View, x) F(View, out)
LS_STRUCT(CopyParams, COPY_FIELDS, 48)

LS_KERNEL(copy, CopyParams) {
  const FROM* x = row_of<FROM>(p.x, blockIdx.x);
  TO* out = row_of<TO>(p.out, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(out + c, to_float(x[c]));
  }
}
