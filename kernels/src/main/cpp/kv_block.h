// SPDX-License-Identifier: Apache-2.0
// What a block of 16 tokens holds of one layer and KV head: keys as [head size][16 tokens] (a lane is a token, so that
// scores need no horizontal sum), then values as [16 tokens][value size]. Where values are keys it holds the keys alone.
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
  int value_size;  // the head size where values are keys
  bool values_are_keys;
  T* transposed = nullptr;  // values that are keys as [16 tokens][head size], in other memory

  T* keys() const { return reinterpret_cast<T*>(at); }
  T* values() const { return values_are_keys ? transposed : keys() + KV_TOKENS * head_size; }
  Half* key_scales() const { return reinterpret_cast<Half*>(keys() + KV_TOKENS * row()); }
  Half* value_scales() const {
    return values_are_keys ? key_scales() : key_scales() + KV_TOKENS * (head_size / KV_GROUP);
  }

  // Elements of a token.
  int row() const { return values_are_keys ? head_size : head_size + value_size; }

  // Bytes of a head in a block.
  int64_t bytes() const {
    int64_t scales = QUANTIZED<T> ? row() / KV_GROUP * sizeof(Half) : 0;
    return KV_TOKENS * (row() * sizeof(T) + scales);
  }
};

// Transposes a square of elements of `BITS` bits, a row in each word, the first element in the low bits: swaps the
// off-diagonal squares of half the size, then those of a quarter.
template <int BITS>
inline void transpose(uint64_t* rows) {
  constexpr int SIZE = 64 / BITS;
  uint64_t low = ~0ull;
  for (int half = SIZE / 2; half > 0; half /= 2) {
    const int shift = half * BITS;
    low ^= low << shift;
    for (int r = 0; r < SIZE; r++) {
      if (r & half) continue;
      uint64_t swapped = (rows[r] >> shift ^ rows[r + half]) & low;
      rows[r + half] ^= swapped;
      rows[r] ^= swapped << shift;
    }
  }
}

// Writes [16 tokens][head_size] of keys [head_size][16 tokens].
template <typename T>
inline void transpose(const T* keys, int head_size, T* to) {
  constexpr int SIZE = sizeof(uint64_t) / sizeof(T);
  int d = 0;
  for (; d + SIZE <= head_size; d += SIZE) {
    for (int t = 0; t < KV_TOKENS; t += SIZE) {
      uint64_t rows[SIZE];
      for (int r = 0; r < SIZE; r++) memcpy(rows + r, keys + (d + r) * KV_TOKENS + t, sizeof(uint64_t));
      transpose<8 * sizeof(T)>(rows);
      for (int r = 0; r < SIZE; r++) memcpy(to + (t + r) * head_size + d, rows + r, sizeof(uint64_t));
    }
  }
  for (; d < head_size; d++) {
    for (int t = 0; t < KV_TOKENS; t++) to[t * head_size + d] = keys[d * KV_TOKENS + t];
  }
}

}  // namespace lockstep
