// SPDX-License-Identifier: Apache-2.0
// table[indices[i]] = values[i]. Grid: enough blocks for `count` threads.
#include "ls_types.cuh"

// Indices count elements of the table, row by row, without the gaps between rows. The index -1
// writes nothing; no other index stands twice.
#define SCATTER_FIELDS(F) F(View, table) F(const int32_t*, indices) F(const int32_t*, values) F(int64_t, count) F(Report, report)
LS_STRUCT(ScatterParams, SCATTER_FIELDS, 64)

LS_KERNEL(scatter, ScatterParams) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count || p.indices[i] == -1) return;
  int64_t index = p.indices[i];
  if (!in_range(p.report, i, index, static_cast<int64_t>(p.table.rows) * p.table.columns)) return;
  row_of<int32_t>(p.table, index / p.table.columns)[index % p.table.columns] = p.values[i];
}
