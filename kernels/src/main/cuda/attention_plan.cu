// SPDX-License-Identifier: Apache-2.0
// Reads the rows of a step: the position and the line of each token, and the list of work for `attend`.
#include "ls_kv.cuh"
#include "ls_reduce.cuh"

// The inputs of a step's KV group. Row r has tokens [row_starts[r], row_starts[r + 1]) at positions computed[r] … of
// line lines[r] of the table; line -1 is padding. `partials` results of splits can be held. A token attends to `ahead`
// later tokens of its row too; a row with such tokens has all of its sequence.
#define ATTENTION_PLAN_PARAMS_FIELDS(F)                                                                             \
  F(const int32_t*, row_starts) F(const int32_t*, computed) F(const int32_t*, lines) F(View, table) F(AttentionPlan, plan) \
      F(int32_t, rows) F(int32_t, tokens) F(int32_t, block_size) F(int32_t, window) F(int32_t, partials) F(int32_t, chunked) F(int32_t, ahead) F(int32_t, unused) F(Report, line_report) \
      F(Report, length_report) F(Report, token_report) F(Report, ahead_report)
LS_STRUCT(AttentionPlanParams, ATTENTION_PLAN_PARAMS_FIELDS, 192)

namespace {

// Returns the row of a token: the last that does not begin after it.
__device__ int row_of_token(const int32_t* row_starts, int rows, int token) {
  int low = 0, high = rows - 1;
  while (low < high) {
    int middle = (low + high + 1) / 2;
    if (row_starts[middle] <= token) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

// Reports rows that do not have tokens 0 to `tokens` - 1, each once and in order. A token that no row has becomes
// padding.
__device__ void check_rows(const AttentionPlanParams& p) {
  for (int row = threadIdx.x; row < p.rows; row += blockDim.x) {
    int start = p.row_starts[row], end = p.row_starts[row + 1];
    if (row == 0 && start != 0) out_of_range(p.token_report, row, start, 1);
    if (end < start) out_of_range(p.token_report, row, static_cast<int64_t>(end) - start, p.tokens);
    if (end > p.tokens) out_of_range(p.token_report, row, static_cast<int64_t>(end) - 1, p.tokens);
    if (row == p.rows - 1 && end < p.tokens) out_of_range(p.token_report, row, p.tokens - 1, end);
  }
}

// A token of no row, of a line that does not exist, or beyond the end of its line, becomes padding; its row is reported.
__device__ int checked_line(const AttentionPlanParams& p, int row, int token) {
  if (token < p.row_starts[row] || token >= p.row_starts[row + 1]) return -1;
  int line = p.lines[row], computed = p.computed[row];
  if (line == -1 || !in_range(p.line_report, row, line, p.table.rows)) return -1;
  if (p.ahead > 0 && !in_range(p.ahead_report, row, computed, 1)) return -1;
  int64_t position = static_cast<int64_t>(computed) + token - p.row_starts[row];
  int64_t room = static_cast<int64_t>(p.table.columns) * p.block_size;
  if (computed >= 0 && position >= 0 && position < room) return line;
  int64_t length = static_cast<int64_t>(computed) + p.row_starts[row + 1] - p.row_starts[row];
  out_of_range(p.length_report, row, computed < 0 ? computed : length, room + 1);
  return -1;
}

__device__ __forceinline__ int first_split(const AttentionPlanParams& p, int position) {
  return first_seen(position, p.window, p.chunked) / LS_SPLIT;
}

}  // namespace

// Grid: one block of LS_MAX_THREADS threads.
LS_KERNEL(attention_plan, AttentionPlanParams) {
  __shared__ int sums[LS_WARPS];
  __shared__ int shared_end;
  if (threadIdx.x == 0) shared_end = 0;
  check_rows(p);
  for (int t = threadIdx.x; t < p.tokens; t += blockDim.x) {
    int row = row_of_token(p.row_starts, p.rows, t);
    int line = checked_line(p, row, t);
    int position = line < 0 ? 0 : p.computed[row] + t - p.row_starts[row];
    int later = line < 0 ? 0 : p.row_starts[row + 1] - 1 - t;
    int last = position + min(p.ahead, later);
    int first = first_split(p, position);
    p.plan.positions[t] = position;
    p.plan.lines[t] = line;
    p.plan.ends[t] = last + 1;
    p.plan.items[t] = {t, first, line < 0 ? 0 : last / LS_SPLIT + 1 - first, -1};
  }
  __syncthreads();
  // Rows of one token and several splits share the partial results, in order, as far as these last: a row is refused
  // only if all later ones are.
  int used = 0;
  for (int from = 0; from < p.rows; from += blockDim.x) {
    int row = from + static_cast<int>(threadIdx.x);
    int start = row < p.rows ? p.row_starts[row] : -1;
    bool single = start >= 0 && start < p.tokens && p.row_starts[row + 1] == start + 1;
    AttendItem whole = single ? p.plan.items[start] : AttendItem{-1, 0, 0, -1};
    int wanted = whole.count > 1 ? whole.count : 0;
    int sum = wanted;  // of the threads of the warp up to this one
    for (int distance = 1; distance < LS_WARP; distance *= 2) {
      int other = __shfl_up_sync(LS_ALL_LANES, sum, distance);
      if (static_cast<int>(threadIdx.x % LS_WARP) >= distance) sum += other;
    }
    if (threadIdx.x % LS_WARP == LS_WARP - 1) sums[threadIdx.x / LS_WARP] = sum;
    __syncthreads();
    int partial = used + sum - wanted;
    for (unsigned warp = 0; warp < LS_WARPS; warp++) {
      if (warp < threadIdx.x / LS_WARP) partial += sums[warp];
      used += sums[warp];
    }
    bool shared = wanted > 0 && partial + wanted <= p.partials;
    if (row < p.rows) p.plan.merges[row] = shared ? AttendItem{whole.token, whole.first, wanted, partial} : AttendItem{-1, 0, 0, -1};
    if (shared) {
      p.plan.items[whole.token].count = -1;
      for (int i = 0; i < wanted; i++) p.plan.items[p.tokens + partial + i] = {whole.token, whole.first + i, 1, partial + i};
      atomicMax(&shared_end, partial + wanted);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *p.plan.count = p.tokens + shared_end;
}
