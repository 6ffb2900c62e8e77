// SPDX-License-Identifier: Apache-2.0
// What a block of 16 tokens holds of one layer and KV head: keys as [head size][16 tokens] (a lane is a token, so that
// scores need no horizontal sum), then values as [16 tokens][head size].
//
// q8: codes of keys, codes of values, then f16 scales of keys and of values, both as [groups][16 tokens]. A group is 32
// dimensions; what is stored is code · scale.
//
// fp8: codes of E4M3, of keys and then of values, which are divided by a scale of their head before. A code is read as its
// value · 2^-8. The scale of the scores has the factor 2^8 · scale of keys, that of the results 2^8 · scale of values.
#pragma once

#include "float8.h"
#include "lanes.h"

namespace lockstep {

constexpr int KV_TOKENS = 16;
constexpr int KV_GROUP = 32;

struct Code {
  int8_t value;
};

struct Float8 {
  uint8_t bits;
};

inline Lanes load(const Code* p) { return load_signed_bytes(&p->value); }
inline Lanes load(const Float8* p) {
  return each_part([&](int part) { return vec::load_e4m3(p + part * vec::WIDTH); });
}

template <typename T>
constexpr bool QUANTIZED = false;
template <>
constexpr bool QUANTIZED<Code> = true;

template <typename T>
struct KvBlock {
  uint8_t* at;
  int head_size;

  T* keys() const { return reinterpret_cast<T*>(at); }
  T* values() const { return keys() + KV_TOKENS * head_size; }
  Half* key_scales() const { return reinterpret_cast<Half*>(values() + KV_TOKENS * head_size); }
  Half* value_scales() const { return key_scales() + KV_TOKENS * (head_size / KV_GROUP); }

  // Bytes of a head in a block.
  static int64_t bytes(int head_size) {
    int64_t scales = QUANTIZED<T> ? head_size / KV_GROUP * sizeof(Half) : 0;
    return 2 * KV_TOKENS * (head_size * sizeof(T) + scales);
  }
};

}  // namespace lockstep
