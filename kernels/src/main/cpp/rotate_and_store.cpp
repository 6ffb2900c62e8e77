// SPDX-License-Identifier: Apache-2.0
// Rotates queries and keys, and stores the new keys and values of a layer in its blocks.
#include "kv_block.h"

using namespace lockstep;

namespace {

void put(float* p, float x) { *p = x; }
void put(Half* p, float x) { p->bits = float_to_f16(x); }
void put(Brain* p, float x) { p->bits = float_to_bf16(x); }

// Stores a row at `to`, its elements `step` apart.
template <typename T>
void store_row(const float* row, int head_size, float, T* to, int step, Half*) {
  for (int d = 0; d < head_size; d++) put(to + d * step, row[d]);
}

template <>
void store_row(const float* row, int head_size, float scale, Float8* to, int step, Half*) {
  for (int d = 0; d < head_size; d++) to[d * step].bits = float_to_e4m3(row[d] / scale);
}

// Quantizes each group to codes in [-127, 127] of an f16 scale, which is rounded first, so that a code is off by half a
// scale at most, except where the scale is subnormal in f16: it is then so coarse that the largest codes are cut off at
// 127, or that it is zero. Its scales are 16 tokens apart.
template <>
void store_row(const float* row, int head_size, float, Code* to, int step, Half* scales) {
  for (int from = 0; from < head_size; from += KV_GROUP) {
    // Compared as integers, a NaN is larger than every number, and so reaches the scale.
    uint32_t largest = 0;
    for (int d = from; d < from + KV_GROUP; d++) {
      uint32_t magnitude = float_to_bits(row[d]) & 0x7FFFFFFF;
      if (magnitude > largest) largest = magnitude;
    }
    put(scales, bits_to_float(largest) / 127);
    float scale = f16_to_float(scales->bits);
    float inverse = scale > 0 ? 1 / scale : 0;
    for (int d = from; d < from + KV_GROUP; d++) {
      float code = row[d] * inverse;
      code = code < 127 ? code : 127;
      code = code > -127 ? code : -127;
      // 1.5 · 2^23 rounds to an integer, half to even, and leaves it in the low bits.
      to[d * step].value = static_cast<int8_t>(float_to_bits(code + 0x1.8p23f));
    }
    scales += KV_TOKENS;
  }
}

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
                      int value_size, const float* key_scales, const float* value_scales, uint8_t* layer,
                      int64_t block_bytes, bool values_are_keys, const int32_t* blocks,
                      const int32_t* offsets, int64_t from, int64_t to) {
  for (int64_t t = from; t < to; t++) {
    if (blocks[t] < 0) continue;
    float* row = qkv + t * stride;
    const float* c = cosine + static_cast<int64_t>(positions[t]) * half;
    const float* s = sine + static_cast<int64_t>(positions[t]) * half;
    for (int head = 0; head < query_heads + kv_heads; head++) {
      rotate(row + head * head_size, c, s, half);
    }
    const float* keys = row + query_heads * head_size;
    const float* values = keys + kv_heads * head_size;
    for (int head = 0; head < kv_heads; head++) {
      KvBlock<T> block{layer + blocks[t] * block_bytes, head_size, value_size, values_are_keys};
      block.at += head * block.bytes();
      const int at = offsets[t];
      store_row(keys + head * head_size, head_size, key_scales ? key_scales[head] : 1, block.keys() + at, KV_TOKENS,
                block.key_scales() + at);
      if (values_are_keys) continue;
      store_row(values + head * value_size, value_size, value_scales ? value_scales[head] : 1,
                block.values() + at * value_size, 1, block.value_scales() + at);
    }
  }
}

}  // namespace

// Tokens [from, to) of qkv [tokens, (queries + KV) · head_size + KV · value_size], without values where they are keys;
// without KV heads queries alone are rotated. Token t is stored at offset offsets[t] of block blocks[t], and left as it is where blocks[t]
// is negative; `layer` is the address of the layer in block 0. kv_type: 0 F32, 1 F16, 2 BF16, 3 q8, 4 fp8. Scales, of fp8
// only, are a float for each KV head; null for 1.
LOCKSTEP void lockstep_rotate_and_store(float* qkv, int64_t stride, const int32_t* positions,
                                        const float* cosine, const float* sine, int32_t half,
                                        int32_t query_heads, int32_t kv_heads,
                                        int32_t head_size, int32_t value_size, const float* key_scales,
                                        const float* value_scales, uint8_t* layer, int64_t block_bytes,
                                        int32_t kv_type, int32_t values_are_keys, const int32_t* blocks,
                                        const int32_t* offsets, int64_t from, int64_t to) {
  auto run = kv_type == 0   ? rotate_and_store<float>
             : kv_type == 1 ? rotate_and_store<Half>
             : kv_type == 2 ? rotate_and_store<Brain>
             : kv_type == 3 ? rotate_and_store<Code>
                            : rotate_and_store<Float8>;
  run(qkv, stride, positions, cosine, sine, half, query_heads, kv_heads, head_size, value_size, key_scales, value_scales, layer,
      block_bytes, values_are_keys != 0, blocks, offsets, from, to);
}
