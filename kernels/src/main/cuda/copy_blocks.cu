// SPDX-License-Identifier: Apache-2.0
// Copies the first tokens of blocks to other blocks, in every layer.
#include "ls_kv.cuh"

// copies [count][3]: from, to, tokens; the host has checked them.
#define COPY_BLOCKS_FIELDS(F) F(KvCache, kv) F(const int32_t*, copies) F(int32_t, count) F(int32_t, head_size)
LS_STRUCT(CopyBlocksParams, COPY_BLOCKS_FIELDS, 64)

// Grid: (layers, KV heads, keys and values, or 1 where the values are the keys); any number of threads. A block makes all copies of its part, in order: one
// may read what another wrote.
LS_KERNEL(copy_blocks, CopyBlocksParams) {
  int64_t values = blockIdx.z * p.kv.values_stride;
  for (int i = 0; i < p.count; i++) {
    const int32_t* copy = p.copies + 3 * i;
    const KV* from = keys_of<KV>(p.kv, copy[0], blockIdx.x, blockIdx.y) + values;
    KV* to = keys_of<KV>(p.kv, copy[1], blockIdx.x, blockIdx.y) + values;
    for (int e = threadIdx.x; e < copy[2] * p.head_size; e += blockDim.x) to[e] = from[e];
    __syncthreads();
  }
}
