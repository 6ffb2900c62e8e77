// SPDX-License-Identifier: Apache-2.0
// Keys and values of heads that are computed from a cache of latents, for attention of prompts: reads what blocks hold of
// one layer, and stores what the products with it gave.
#include "kv_block.h"

using namespace lockstep;

namespace {

// Sixteen values of a dimension as they were stored, but for the scale of q8.
template <typename T>
inline Lanes widen(const T* from) {
  return load(from);
}
template <>
inline Lanes widen(const Float8* from) {
  return multiply(load(from), broadcast(0x1p8f));
}

template <typename T>
void read(uint8_t* layer, int64_t block_bytes, int size, const int32_t* block_table, int64_t from, int64_t to,
          float* out, int64_t stride) {
  for (int64_t begin = from / KV_TOKENS * KV_TOKENS; begin < to; begin += KV_TOKENS) {
    KvBlock<T> block{layer + block_table[begin / KV_TOKENS] * block_bytes, size, size, true};
    const int64_t first = begin > from ? begin : from;
    const int64_t end = begin + KV_TOKENS < to ? begin + KV_TOKENS : to;
    for (int d = 0; d < size; d++) {
      Lanes x = widen(block.keys() + d * KV_TOKENS);
      if (QUANTIZED<T>) x = multiply(x, load(block.key_scales() + d / KV_GROUP * KV_TOKENS));
      float tokens[KV_TOKENS];
      store(tokens, x);
      for (int64_t t = first; t < end; t++) out[(t - from) * stride + d] = tokens[t - begin];
    }
  }
}

}  // namespace

// Reads the keys of positions [from, to) of a sequence from blocks that hold keys alone, as rows of floats: position p to
// out + (p - from) · stride. `layer` is the address of the layer in block 0. kv_type: 0 F32, 1 F16, 2 BF16, 3 q8, 4 fp8.
LOCKSTEP void lockstep_read_keys(uint8_t* layer, int64_t block_bytes, int32_t kv_type, int32_t size,
                                 const int32_t* block_table, int64_t from, int64_t to, float* out, int64_t stride) {
  auto run = kv_type == 0   ? read<float>
             : kv_type == 1 ? read<Half>
             : kv_type == 2 ? read<Brain>
             : kv_type == 3 ? read<Code>
                            : read<Float8>;
  run(layer, block_bytes, size, block_table, from, to, out, stride);
}

// Stores positions [from, to) in consecutive blocks of F32 from `layer` on, each position's row at
// rows + (p - first) · stride: of every head its own part of the key, then its value. Every head has `shared` as the rest of
// its key, `rest` floats at shared + (p - first) · shared_stride.
LOCKSTEP void lockstep_store_expanded(const float* rows, int64_t stride, const float* shared, int64_t shared_stride,
                                      int64_t first, int32_t heads, int32_t own, int32_t rest, int32_t value,
                                      uint8_t* layer, int64_t block_bytes, int64_t from, int64_t to) {
  for (int64_t begin = from / KV_TOKENS * KV_TOKENS; begin < to; begin += KV_TOKENS) {
    KvBlock<float> block{layer + begin / KV_TOKENS * block_bytes, own + rest, value, false};
    const int start = static_cast<int>(begin > from ? 0 : from - begin);
    const int end = static_cast<int>(begin + KV_TOKENS < to ? KV_TOKENS : to - begin);
    const int64_t offset = begin - first;
    for (int head = 0; head < heads; head++, block.at += block.bytes()) {
      float* keys = block.keys();
      const float* row = rows + offset * stride + head * (own + value);
      for (int d = 0; d < own; d++, keys += KV_TOKENS) {
        for (int t = start; t < end; t++) keys[t] = row[t * stride + d];
      }
      const float* last = shared + offset * shared_stride;
      for (int d = 0; d < rest; d++, keys += KV_TOKENS) {
        for (int t = start; t < end; t++) keys[t] = last[t * shared_stride + d];
      }
      for (int t = start; t < end; t++) {
        memcpy(block.values() + t * value, row + t * stride + own, value * sizeof(float));
      }
    }
  }
}
