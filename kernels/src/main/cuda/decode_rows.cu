// SPDX-License-Identifier: Apache-2.0
// Decodes stored rows to the element type OUT.
// Grid: (rows, tiles of columns); any number of threads.
#include "ls_stored.cuh"

// out[r] = columns [skipped, skipped + out.columns) of stored row source_rows[r], or r where source_rows is null.
#define DECODE_ROWS_FIELDS(F)                                                                       \
  F(const uint8_t*, stored) F(int64_t, row_bytes) F(const int32_t*, source_rows) F(int32_t, type) \
      F(int32_t, skipped) F(View, out)
LS_STRUCT(DecodeRowsParams, DECODE_ROWS_FIELDS, 56)

LS_KERNEL(decode_rows, DecodeRowsParams) {
  int row = blockIdx.x;
  int64_t source = p.source_rows == nullptr ? row : p.source_rows[row];
  const uint8_t* from = p.stored + source * p.row_bytes;
  OUT* to = row_of<OUT>(p.out, row);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.out.columns; c += gridDim.y * blockDim.x) {
    put(to + c, stored_element(p.type, from, static_cast<int64_t>(p.skipped) + c));
  }
}
