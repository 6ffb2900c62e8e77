// SPDX-License-Identifier: Apache-2.0
// The paged cache of a KV group, and the plan of a step's attention.
#pragma once

#include "ls_types.cuh"

// The tokens of a split. Splits begin at multiples of it and are merged in order, so that the bits of a token do not
// depend on how many of them a block computes.
constexpr int LS_SPLIT = 256;

// [blocks][layers][keys, values][heads][block_size][head_size] of KV; the strides are in elements, and may say another
// order. Block 0 is the null block. values_stride 0: the values are the keys, which are stored alone.
#define KV_CACHE_FIELDS(F)                                                                                  \
  F(void*, data) F(int64_t, block_stride) F(int64_t, layer_stride) F(int64_t, values_stride) F(int64_t, head_stride) \
      F(int32_t, block_size) F(int32_t, blocks)
LS_STRUCT(KvCache, KV_CACHE_FIELDS, 48)

// Returns the keys of a head in a block, [block_size][head_size]; its values are values_stride further.
template <class T>
__device__ __forceinline__ T* keys_of(const KvCache& kv, int block, int layer, int head) {
  return static_cast<T*>(kv.data) + block * kv.block_stride + layer * kv.layer_stride + head * kv.head_stride;
}

// Returns whether an entry of the block table names a block of the cache, not the null block; reports it if not.
__device__ __forceinline__ bool names_block(const Report& report, const View& table, int line, int entry, const KvCache& kv) {
  int block = row_of<const int32_t>(table, line)[entry];
  if (block > 0 && block < kv.blocks) return true;
  out_of_range(report, static_cast<int64_t>(line) * table.columns + entry, block, kv.blocks);
  return false;
}

// Returns the first position that a token attends to: of its window, or of its chunk of as many tokens.
__device__ __forceinline__ int first_seen(int position, int window, int chunked) {
  if (chunked) return position / window * window;
  return position < window ? 0 : position + 1 - window;
}

// Splits [first, first + count) of a token's positions. Without a place for a partial result (-1) one block computes and
// merges them; else there is one split, whose result goes there. A padding token has 0 splits; -1: nothing is to be done,
// other items have the token's splits.
#define ATTEND_ITEM_FIELDS(F) F(int32_t, token) F(int32_t, first) F(int32_t, count) F(int32_t, partial)
LS_STRUCT(AttendItem, ATTEND_ITEM_FIELDS, 16)

// What attention_plan writes and the other kernels read; one for each attention shape of a step.
//   positions, lines [tokens]: of each token; line -1 for padding
//   ends [tokens]: the position after the last that a token attends to
//   items [tokens + partials]: first one for each token, then those with partial results
//   merges [rows]: the partial results of a row's token; token -1 for none
//   count: of items
#define ATTENTION_PLAN_FIELDS(F) F(int32_t*, positions) F(int32_t*, lines) F(int32_t*, ends) F(AttendItem*, items) F(AttendItem*, merges) F(int32_t*, count)
LS_STRUCT(AttentionPlan, ATTENTION_PLAN_FIELDS, 48)
