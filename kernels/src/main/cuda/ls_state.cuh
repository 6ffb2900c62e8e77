// SPDX-License-Identifier: Apache-2.0
// The rows of a step over states: what a layer keeps of the tokens before, of a fixed size for each sequence.
#pragma once

#include "ls_types.cuh"

// Row r has tokens [starts[r], starts[r + 1]) of the step and the state of line lines[r]; line -1 is padding. With
// computed[r] = 0 the state is zero, whatever its memory holds.
#define STATE_ROWS_FIELDS(F)                                                                                        \
  F(const int32_t*, starts) F(const int32_t*, computed) F(const int32_t*, lines) F(View, states) F(int32_t, tokens) \
      F(int32_t, unused) F(Report, report)
LS_STRUCT(StateRows, STATE_ROWS_FIELDS, 72)

// Tokens [from, to) and the state of a row; without a state for padding, and for a line that does not exist.
struct StateRow {
  int from;
  int to;
  float* state;
  bool fresh;
};

__device__ __forceinline__ StateRow state_row(const StateRows& rows, int row) {
  int line = rows.lines[row];
  bool exists = line != -1 && in_range(rows.report, row, line, rows.states.rows);
  return {max(rows.starts[row], 0), min(rows.starts[row + 1], rows.tokens), exists ? row_of<float>(rows.states, line) : nullptr,
          rows.computed[row] == 0};
}
