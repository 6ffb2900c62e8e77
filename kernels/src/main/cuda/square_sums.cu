// SPDX-License-Identifier: Apache-2.0
// Sums of the squares of rows. Grid: rows; whole warps.
#include "ls_norm.cuh"

// out[r] = Σ x[r]², F32.
#define SQUARE_SUMS_FIELDS(F) F(View, x) F(View, out)
LS_STRUCT(SquareSumsParams, SQUARE_SUMS_FIELDS, 48)

LS_KERNEL(square_sums, SquareSumsParams) {
  __shared__ float sums[LS_WARPS];
  float sum = square_sum(row_of<ACTIVATION>(p.x, blockIdx.x), p.x.columns, sums);
  if (threadIdx.x == 0) *row_of<float>(p.out, blockIdx.x) = sum;
}
