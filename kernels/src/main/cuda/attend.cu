// SPDX-License-Identifier: Apache-2.0
// Softmax attention of every token over its positions in the paged cache, or over those of its window or chunk.
//
// A split's result is its greatest score, the sum of e^(score - greatest) and the values times these. Results are merged
// in order of the splits, by one block or by attend_merge: the same operations, so the same bits.
#include "ls_kv.cuh"
#include "ls_math.cuh"
#include "ls_reduce.cuh"

// qkv: only queries are read. kv_head_of [query_heads]. out [tokens, query_heads · head_size]. partials: for each place
// and query head, greatest, sum, head_size values. sinks [query_heads]: scores without values, or null.
#define ATTEND_FIELDS(F)                                                                                            \
  F(View, qkv) F(const int32_t*, kv_head_of) F(const float*, sinks) F(AttentionPlan, plan) F(View, table) F(KvCache, kv) F(View, out) F(float*, partials) \
      F(int32_t, query_heads) F(int32_t, head_size) F(int32_t, layer) F(int32_t, window) F(float, scale) F(float, soft_cap) F(int32_t, chunked) F(int32_t, unused) F(Report, report)
LS_STRUCT(AttendParams, ATTEND_FIELDS, 240)

namespace {

constexpr int THREADS = 128;

// The result of some splits; `values` are those of one thread, which has OWN elements of a head.
template <int OWN>
struct Result {
  float greatest;
  float sum;
  float values[OWN];
};

// Adds the result of the split that follows. Products are rounded, so that no compiler fuses them in another way.
template <int OWN>
__device__ __forceinline__ void merge(Result<OWN>& to, const Result<OWN>& next) {
  float greatest = fmaxf(to.greatest, next.greatest);
  float own = exponential(to.greatest - greatest), others = exponential(next.greatest - greatest);
  to.greatest = greatest;
  to.sum = fmaf(next.sum, others, __fmul_rn(to.sum, own));
  for (int i = 0; i < OWN; i++) to.values[i] = fmaf(next.values[i], others, __fmul_rn(to.values[i], own));
}

template <int OWN>
__device__ __forceinline__ void write_out(const AttendParams& p, const Result<OWN>& result, int head, int token) {
  ACTIVATION* out = row_of<ACTIVATION>(p.out, token) + static_cast<int64_t>(head) * p.head_size;
  float own = 1, sum = result.sum;
  if (p.sinks != nullptr) {
    float greatest = fmaxf(result.greatest, p.sinks[head]);
    own = exponential(result.greatest - greatest);
    sum = fmaf(sum, own, exponential(p.sinks[head] - greatest));
  }
  for (int i = 0; i < OWN; i++) {
    int d = static_cast<int>(threadIdx.x) + i * THREADS;
    if (d < p.head_size) put(out + d, result.values[i] * own / sum);
  }
}

__device__ __forceinline__ float* partial_of(const AttendParams& p, int place, int head) {
  return p.partials + (static_cast<int64_t>(place) * p.query_heads + head) * (p.head_size + 2);
}

// Returns the result of the positions [from, to) of one split.
template <int OWN>
__device__ __forceinline__ Result<OWN> attend_split(const AttendParams& p, const float* query, const int32_t* blocks, int kv_head, int from,
                                                    int to, float* scores, float* shared) {
  Result<OWN> result = {-infinity(), 0, {}};
  for (int j = from + static_cast<int>(threadIdx.x); j < to; j += THREADS) {
    const KV* key = keys_of<KV>(p.kv, blocks[j / p.kv.block_size], p.layer, kv_head) + static_cast<int64_t>(j % p.kv.block_size) * p.head_size;
    float score = 0;
    for (int d = 0; d < p.head_size; d++) score = fmaf(query[d], to_float(key[d]), score);
    score *= p.scale;
    if (p.soft_cap > 0) score = soft_cap_of(score, p.soft_cap);
    scores[j % LS_SPLIT] = score;
    result.greatest = fmaxf(result.greatest, score);
  }
  result.greatest = warp_max(result.greatest);
  if (threadIdx.x % LS_WARP == 0) shared[threadIdx.x / LS_WARP] = result.greatest;
  __syncthreads();
  for (int warp = 0; warp < THREADS / LS_WARP; warp++) result.greatest = fmaxf(result.greatest, shared[warp]);
  __syncthreads();
  for (int j = from + static_cast<int>(threadIdx.x); j < to; j += THREADS) {
    float share = exponential(scores[j % LS_SPLIT] - result.greatest);
    scores[j % LS_SPLIT] = share;
    result.sum += share;
  }
  result.sum = block_sum(result.sum, shared);
  for (int i = 0; i < OWN; i++) {
    int d = static_cast<int>(threadIdx.x) + i * THREADS;
    if (d >= p.head_size) continue;
    float sum = 0;
    for (int j = from; j < to; j++) {
      const KV* value = keys_of<KV>(p.kv, blocks[j / p.kv.block_size], p.layer, kv_head) + p.kv.values_stride +
                        static_cast<int64_t>(j % p.kv.block_size) * p.head_size;
      sum = fmaf(scores[j % LS_SPLIT], to_float(value[d]), sum);
    }
    result.values[i] = sum;
  }
  __syncthreads();
  return result;
}

// Returns whether all blocks of positions [from, to) are in the cache.
__device__ bool blocks_exist(const AttendParams& p, int line, int from, int to) {
  int wrong = 0;
  for (int entry = from / p.kv.block_size + static_cast<int>(threadIdx.x); entry <= (to - 1) / p.kv.block_size; entry += THREADS) {
    wrong |= !names_block(p.report, p.table, line, entry, p.kv);
  }
  return !__syncthreads_or(wrong);
}

// Grid: (any number, query heads): blocks share the items. THREADS threads.
template <int OWN>
__device__ __forceinline__ void attend_items(const AttendParams& p, float* query, float* scores, float* shared) {
  int head = blockIdx.y;
  for (int i = blockIdx.x; i < *p.plan.count; i += gridDim.x) {
    AttendItem item = p.plan.items[i];
    if (item.count < 0) continue;
    ACTIVATION* out = row_of<ACTIVATION>(p.out, item.token) + static_cast<int64_t>(head) * p.head_size;
    int end = p.plan.ends[item.token], begin = first_seen(p.plan.positions[item.token], p.window, p.chunked);
    int from = max(begin, item.first * LS_SPLIT), to = min(end, (item.first + item.count) * LS_SPLIT);
    int line = max(p.plan.lines[item.token], 0);
    const int32_t* blocks = row_of<const int32_t>(p.table, line);
    if (item.count == 0 || !blocks_exist(p, line, from, to)) {
      for (int d = threadIdx.x; d < p.head_size; d += THREADS) put(out + d, 0.0f);
      continue;
    }
    const ACTIVATION* row = row_of<ACTIVATION>(p.qkv, item.token) + static_cast<int64_t>(head) * p.head_size;
    for (int d = threadIdx.x; d < p.head_size; d += THREADS) query[d] = to_float(row[d]);
    __syncthreads();
    Result<OWN> all = {};
    for (int split = item.first; split * LS_SPLIT < to; split++) {
      Result<OWN> next = attend_split<OWN>(p, query, blocks, p.kv_head_of[head], max(from, split * LS_SPLIT), min(to, (split + 1) * LS_SPLIT), scores, shared);
      if (split == item.first) {
        all = next;
      } else {
        merge(all, next);
      }
    }
    if (item.partial < 0) {
      write_out(p, all, head, item.token);
      continue;
    }
    float* partial = partial_of(p, item.partial, head);
    if (threadIdx.x == 0) {
      partial[0] = all.greatest;
      partial[1] = all.sum;
    }
    for (int k = 0; k < OWN; k++) {
      int d = static_cast<int>(threadIdx.x) + k * THREADS;
      if (d < p.head_size) partial[2 + d] = all.values[k];
    }
  }
}

// Grid: (rows, query heads); THREADS threads.
template <int OWN>
__device__ __forceinline__ void merge_splits(const AttendParams& p) {
  AttendItem item = p.plan.merges[blockIdx.x];
  if (item.token < 0) return;
  int head = blockIdx.y;
  Result<OWN> all = {};
  for (int split = 0; split < item.count; split++) {
    const float* partial = partial_of(p, item.partial + split, head);
    Result<OWN> next = {partial[0], partial[1], {}};
    for (int i = 0; i < OWN; i++) {
      int d = static_cast<int>(threadIdx.x) + i * THREADS;
      if (d < p.head_size) next.values[i] = partial[2 + d];
    }
    if (split == 0) {
      all = next;
    } else {
      merge(all, next);
    }
  }
  write_out(p, all, head, item.token);
}

}  // namespace

// For heads of up to `own` elements for each thread.
#define ATTEND(name, own)                                                           \
  LS_KERNEL(name, AttendParams) {                                                   \
    __shared__ float query[own * THREADS], scores[LS_SPLIT], shared[LS_WARPS];      \
    attend_items<own>(p, query, scores, shared);                                    \
  }                                                                                 \
  LS_KERNEL(name##_merge, AttendParams) { merge_splits<own>(p); }
ATTEND(attend, 2)
ATTEND(attend_wide, 5)
