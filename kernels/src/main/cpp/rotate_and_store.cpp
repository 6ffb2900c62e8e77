// SPDX-License-Identifier: Apache-2.0
// Rotates queries and keys, and stores the new keys and values of a layer in its blocks.
//
// A block holds, for each layer and KV head, keys as [headSize][16 tokens] (a lane is a token, so
// that scores need no horizontal sum), then values as [16 tokens][headSize].
#include "lanes.h"

using namespace lockstep;

namespace {

constexpr int BLOCK = 16;

void put(float* p, float x) { *p = x; }
void put(Half* p, float x) { p->bits = float_to_f16(x); }
void put(Brain* p, float x) { p->bits = float_to_bf16(x); }

// Element i of the first half is rotated with element i of the second.
void rotate(float* head, const float* cosine, const float* sine, int half) {
  int i = 0;
  for (; i + LANES <= half; i += LANES) {
    Lanes c = load(cosine + i), s = load(sine + i);
    Lanes a = load(head + i), b = load(head + half + i);
    store(head + i, fma(subtract(broadcast(0), b), s, multiply(a, c)));
    store(head + half + i, fma(a, s, multiply(b, c)));
  }
  for (; i < half; i++) {
    float a = head[i], b = head[half + i];
    head[i] = __builtin_fmaf(0.0f - b, sine[i], a * cosine[i]);
    head[half + i] = __builtin_fmaf(a, sine[i], b * cosine[i]);
  }
}

template <typename T>
void rotate_and_store(float* qkv, int64_t stride, const int32_t* positions, const float* cosine,
                      const float* sine, int half, int query_heads, int kv_heads, int head_size,
                      uint8_t* layer, int64_t block_bytes, const int32_t* blocks,
                      const int32_t* offsets, int64_t from, int64_t to) {
  for (int64_t t = from; t < to; t++) {
    if (blocks[t] < 0) continue;
    float* row = qkv + t * stride;
    const float* c = cosine + static_cast<int64_t>(positions[t]) * half;
    const float* s = sine + static_cast<int64_t>(positions[t]) * half;
    for (int head = 0; head < query_heads + kv_heads; head++) {
      rotate(row + head * head_size, c, s, half);
    }
    T* block = reinterpret_cast<T*>(layer + blocks[t] * block_bytes);
    const float* keys = row + query_heads * head_size;
    const float* values = keys + kv_heads * head_size;
    for (int head = 0; head < kv_heads; head++) {
      T* k = block + static_cast<int64_t>(head) * 2 * BLOCK * head_size + offsets[t];
      T* v = block + (static_cast<int64_t>(head) * 2 + 1) * BLOCK * head_size +
         offsets[t] * head_size;
      for (int d = 0; d < head_size; d++) {
        put(k + d * BLOCK, keys[head * head_size + d]);
        put(v + d, values[head * head_size + d]);
      }
    }
  }
}

}  // namespace

// Tokens [from, to) of qkv [tokens, (queries + 2 · KV) · head_size]. Token t is stored at offset
// offsets[t] of block blocks[t], and left as it is where blocks[t] is negative; `layer` is the address of the layer in block 0. kv_type: 0 F32, 1
// F16, 2 BF16.
LOCKSTEP void lockstep_rotate_and_store(float* qkv, int64_t stride, const int32_t* positions,
                                        const float* cosine, const float* sine, int32_t half,
                                        int32_t query_heads, int32_t kv_heads,
                                        int32_t head_size, uint8_t* layer, int64_t block_bytes,
                                        int32_t kv_type, const int32_t* blocks,
                                        const int32_t* offsets, int64_t from, int64_t to) {
  auto run = kv_type == 0   ? rotate_and_store<float>
       : kv_type == 1 ? rotate_and_store<Half>
               : rotate_and_store<Brain>;
  run(qkv, stride, positions, cosine, sine, half, query_heads, kv_heads, head_size, layer,
      block_bytes, blocks, offsets, from, to);
}
