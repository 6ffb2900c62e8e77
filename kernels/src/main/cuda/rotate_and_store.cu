// SPDX-License-Identifier: Apache-2.0
// Rotates the queries and keys of a step, and stores the keys and values of a layer in their blocks.
#include "ls_kv.cuh"

// qkv [tokens, (query_heads + 2 · kv_heads) · head_size], without values where they are the keys; cosines and sines F32 [rotary_positions, half]. Padding tokens
// are left alone. A token whose rotary position or block is out of range is not stored.
#define ROTATE_AND_STORE_FIELDS(F)                                                                               \
  F(View, qkv) F(const int32_t*, positions) F(const float*, cosines) F(const float*, sines) F(int32_t, rotary_positions) \
      F(int32_t, half) F(int32_t, query_heads) F(int32_t, kv_heads) F(int32_t, head_size) F(int32_t, layer)      \
      F(AttentionPlan, plan) F(View, table) F(KvCache, kv) F(Report, position_report) F(Report, block_report)
LS_STRUCT(RotateAndStoreParams, ROTATE_AND_STORE_FIELDS, 224)

// Element i of the first half of the rotated dimensions is rotated with element i of the second.
__device__ __forceinline__ void rotate(ACTIVATION* head, const float* cosine, const float* sine, int half) {
  for (int i = threadIdx.x; i < half; i += blockDim.x) {
    float a = to_float(head[i]), b = to_float(head[half + i]);
    put(head + i, fmaf(0.0f - b, sine[i], a * cosine[i]));
    put(head + half + i, fmaf(a, sine[i], b * cosine[i]));
  }
}

// Grid: (tokens, query heads + KV heads); any number of threads.
LS_KERNEL(rotate_and_store, RotateAndStoreParams) {
  int t = blockIdx.x, head = blockIdx.y, line = p.plan.lines[t];
  if (line < 0) return;
  int position = p.positions[t];
  if (!in_range(p.position_report, t, position, p.rotary_positions)) return;
  ACTIVATION* row = row_of<ACTIVATION>(p.qkv, t);
  ACTIVATION* own = row + static_cast<int64_t>(head) * p.head_size;
  rotate(own, p.cosines + static_cast<int64_t>(position) * p.half, p.sines + static_cast<int64_t>(position) * p.half, p.half);
  int kv_head = head - p.query_heads;
  if (kv_head < 0) return;
  __syncthreads();
  int stored = p.plan.positions[t];
  int entry = stored / p.kv.block_size;
  if (!names_block(p.block_report, p.table, line, entry, p.kv)) return;
  int block = row_of<const int32_t>(p.table, line)[entry];
  const ACTIVATION* value = own + static_cast<int64_t>(p.kv_heads) * p.head_size;
  KV* keys = keys_of<KV>(p.kv, block, p.layer, kv_head) + static_cast<int64_t>(stored % p.kv.block_size) * p.head_size;
  KV* values = keys + p.kv.values_stride;
  for (int d = threadIdx.x; d < p.head_size; d += blockDim.x) {
    put(keys + d, to_float(own[d]));
    if (values != keys) put(values + d, to_float(value[d]));
  }
}
