// SPDX-License-Identifier: Apache-2.0
// Looks up rows of a stored table by token id, as ACTIVATION.
// Grid: (tokens, tiles of columns); any number of threads.
#include "ls_stored.cuh"

// out[t] = columns [skipped, skipped + out.columns) of stored row source_rows[ids[t]], or ids[t] where source_rows is
// null. The row of an id out of range is not written.
#define EMBED_FIELDS(F)                                                                                           \
  F(const uint8_t*, table) F(int64_t, row_bytes) F(const int32_t*, source_rows) F(int32_t, type) F(int32_t, skipped) \
      F(const int32_t*, ids) F(int64_t, rows) F(View, out) F(Report, report)
LS_STRUCT(EmbedParams, EMBED_FIELDS, 88)

LS_KERNEL(embed, EmbedParams) {
  int t = blockIdx.x;
  int64_t id = p.ids[t];
  if (!in_range(p.report, t, id, p.rows)) return;
  const uint8_t* from = p.table + (p.source_rows == nullptr ? id : p.source_rows[id]) * p.row_bytes;
  ACTIVATION* to = row_of<ACTIVATION>(p.out, t);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.out.columns; c += gridDim.y * blockDim.x) {
    put(to + c, stored_element(p.type, from, static_cast<int64_t>(p.skipped) + c));
  }
}
