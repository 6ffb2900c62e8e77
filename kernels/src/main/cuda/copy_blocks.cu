// SPDX-License-Identifier: Apache-2.0
// Copies the first tokens of blocks to other blocks, in every layer.
#include "ls_kv.cuh"

// copies [count][3]: from, to, tokens. A block out of range, or more tokens than a block has, is not copied.
#define COPY_BLOCKS_FIELDS(F) F(KvCache, kv) F(const int32_t*, copies) F(int32_t, count) F(int32_t, head_size) F(Report, report)
LS_STRUCT(CopyBlocksParams, COPY_BLOCKS_FIELDS, 80)

// Grid: (layers, KV heads, keys and values); any number of threads. A block makes all copies of its part, in order: one
// may read what another wrote.
LS_KERNEL(copy_blocks, CopyBlocksParams) {
  int64_t values = blockIdx.z * p.kv.values_stride;
  for (int i = 0; i < p.count; i++) {
    const int32_t* copy = p.copies + 3 * i;
    bool right = in_range(p.report, i, copy[0] == 0 ? -1 : copy[0], p.kv.blocks) && in_range(p.report, i, copy[1] == 0 ? -1 : copy[1], p.kv.blocks) &&
                 in_range(p.report, i, copy[2], p.kv.block_size + 1);
    if (right) {
      const KV* from = keys_of<KV>(p.kv, copy[0], blockIdx.x, blockIdx.y) + values;
      KV* to = keys_of<KV>(p.kv, copy[1], blockIdx.x, blockIdx.y) + values;
      for (int e = threadIdx.x; e < copy[2] * p.head_size; e += blockDim.x) to[e] = from[e];
    }
    __syncthreads();
  }
}
