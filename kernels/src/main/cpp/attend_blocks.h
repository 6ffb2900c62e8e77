// SPDX-License-Identifier: Apache-2.0
// Attention of several vectors over one or several blocks: scores, weights, and sums of values.
//
// Law 6: scores are added in ascending dimension, values in ascending token, blocks one after the other with a running
// maximum, whatever the number of blocks and of vectors that are computed at once.
#pragma once

#include <cmath>

#include "kv_block.h"

namespace lockstep {

constexpr int BLOCK = KV_TOKENS;
// Whether a register holds sixteen floats, and there are 32 of them.
constexpr bool WIDE = vec::REGISTERS / PARTS >= 32;

// Blocks that are computed at once where every vector of a tile attends to all of them: what is loaded of a query serves
// them all, and the sums of values stay in registers. Keys and values of a stretch stay in the first-level cache.
constexpr int MOST_BLOCKS = 4;
template <typename T>
constexpr int STRETCH = sizeof(T) == 4 ? 2 : MOST_BLOCKS;

// Register tiles. Scores: vectors by blocks. Sums of values: vectors by parts of 16 columns; the columns of a tile of q8
// share a scale.
template <int G>
constexpr int SCORE_BLOCKS = WIDE ? G : 1;
template <int G>
constexpr int SCORE_VECTORS = !WIDE ? 4 : G == MOST_BLOCKS ? 6 : 8;
template <typename T>
constexpr int SUM_PARTS = QUANTIZED<T> ? KV_GROUP / LANES : WIDE ? 4 : 1;
template <typename T>
constexpr int SUM_VECTORS = (WIDE ? 16 : 4) / SUM_PARTS<T>;

// The state of a vector, as floats: [maximum, 15 unused][16 sums of weights][padded head].
constexpr int WEIGHTS = LANES, VALUES = 2 * LANES;

// Asks for the line of memory that is read next where `at` is read now: the blocks of a sequence follow each other in no
// order that the processor could foresee, so the next ones are asked for bit by bit while these are computed.
template <typename T>
inline void fetch(const T* at) {
  __builtin_prefetch(at);
}

// G blocks that are computed at once, and those that come next.
template <typename T, int G>
struct Blocks {
  KvBlock<T> block[G];
  KvBlock<T> next[G];
};

// Scores of the 16 tokens of S of the blocks, from `first` on, for M vectors, added in ascending dimension, to `out`
// [M][G][16]. For q8 each group is added from zero and then scaled.
template <typename T, int G, int M, int S, bool FETCH>
void scores(const float* q, int64_t q_stride, const Blocks<T, G>& blocks, int first, int head_size, float* out) {
  const int piece = QUANTIZED<T> ? KV_GROUP : head_size;
  for (int from = 0; from < head_size; from += piece) {
    Lanes sums[M][S];
    for (int m = 0; m < M; m++) {
      for (int g = 0; g < S; g++) sums[m][g] = broadcast(0);
    }
    for (int d = from; d < from + piece; d++) {
      Lanes keys[S];
      for (int g = 0; g < S; g++) {
        keys[g] = load(blocks.block[first + g].keys() + d * BLOCK);
        if (FETCH) fetch(blocks.next[first + g].keys() + d * BLOCK);
      }
      for (int m = 0; m < M; m++) {
        Lanes query = broadcast(q[m * q_stride + d]);
        for (int g = 0; g < S; g++) sums[m][g] = fma(query, keys[g], sums[m][g]);
      }
    }
    for (int g = 0; g < S; g++) {
      float* at = out + (first + g) * BLOCK;
      if constexpr (QUANTIZED<T>) {
        const int scales = from / KV_GROUP * BLOCK;
        Lanes scale = load(blocks.block[first + g].key_scales() + scales);
        if (FETCH) fetch(blocks.next[first + g].key_scales() + scales);
        for (int m = 0; m < M; m++, at += G * BLOCK) {
          store(at, from == 0 ? multiply(sums[m][g], scale) : fma(sums[m][g], scale, load(at)));
        }
      } else {
        for (int m = 0; m < M; m++, at += G * BLOCK) store(at, sums[m][g]);
      }
    }
  }
}

template <typename T, int G, int M>
void scores_of(const float* q, int64_t q_stride, const Blocks<T, G>& blocks, int head_size, bool fetches,
               float* out) {
  constexpr int S = SCORE_BLOCKS<G>;
  for (int first = 0; first < G; first += S) {
    if (fetches) {
      scores<T, G, M, S, true>(q, q_stride, blocks, first, head_size, out);
    } else {
      scores<T, G, M, S, false>(q, q_stride, blocks, first, head_size, out);
    }
  }
}

template <typename T, int G>
void all_scores(const float* q, int64_t q_stride, const Blocks<T, G>& blocks, int head_size, int vectors,
                float* out) {
  constexpr int MOST = SCORE_VECTORS<G>;
  for (int m = 0; m < vectors; m += MOST) {
    const float* from = q + m * q_stride;
    float* to = out + m * G * BLOCK;
    bool fetches = m == 0;
    int left = vectors - m;
    if (left >= MOST) {
      scores_of<T, G, MOST>(from, q_stride, blocks, head_size, fetches, to);
      continue;
    }
    switch (left) {
      case 1: scores_of<T, G, 1>(from, q_stride, blocks, head_size, fetches, to); break;
      case 2: scores_of<T, G, 2>(from, q_stride, blocks, head_size, fetches, to); break;
      case 3: scores_of<T, G, 3>(from, q_stride, blocks, head_size, fetches, to); break;
    }
    if constexpr (MOST > 4) {
      switch (left) {
        case 4: scores_of<T, G, 4>(from, q_stride, blocks, head_size, fetches, to); break;
        case 5: scores_of<T, G, 5>(from, q_stride, blocks, head_size, fetches, to); break;
      }
    }
    if constexpr (MOST > 6) {
      switch (left) {
        case 6: scores_of<T, G, 6>(from, q_stride, blocks, head_size, fetches, to); break;
        case 7: scores_of<T, G, 7>(from, q_stride, blocks, head_size, fetches, to); break;
      }
    }
  }
}

// Turns the scores of one vector and one block into weights, with 0 where the score is -infinity; returns the factor for
// its earlier sums.
inline float weigh(Lanes s, float* weights, float* state) {
  Lanes sums = load(state + WEIGHTS);
  float before = state[0];
  if (!any_above(s, broadcast(before))) {
    Lanes w = exponential(subtract(s, broadcast(before)));
    store(weights, w);
    store(state + WEIGHTS, add(sums, w));
    return 1;
  }
  float now = largest(s);
  Lanes w = exponential(subtract(s, broadcast(now)));
  Lanes factor = exponential(broadcast(before - now));
  store(weights, w);
  store(state + WEIGHTS, fma(sums, factor, w));
  state[0] = now;
  float lanes[LANES];
  store(lanes, factor);
  return lanes[0];
}

// The same for G blocks one after the other, all of which the vector attends to.
template <int G>
void weigh_all(float* scores, float soft_cap, float* factors, float* state) {
  Lanes s[G];
  for (int g = 0; g < G; g++) {
    s[g] = load(scores + g * BLOCK);
    if (soft_cap > 0) s[g] = lockstep::soft_cap(s[g], broadcast(soft_cap));
  }
  Lanes highest = s[0];
  for (int g = 1; g < G; g++) highest = maximum(highest, s[g]);
  Lanes before = broadcast(state[0]);
  if (any_above(highest, before)) {
    for (int g = 0; g < G; g++) factors[g] = weigh(s[g], scores + g * BLOCK, state);
    return;
  }
  Lanes sums = load(state + WEIGHTS);
  for (int g = 0; g < G; g++) {
    Lanes w = exponential(subtract(s[g], before));
    store(scores + g * BLOCK, w);
    sums = add(sums, w);
    factors[g] = 1;
  }
  store(state + WEIGHTS, sums);
}

// Adds P · 16 columns of weighted values of G blocks for M vectors, in ascending token order. `weights` are [M][G][16],
// `factors` [M][G].
template <typename T, int G, int M, int P, bool FETCH>
void add_values(const float* weights, const float* factors, const Blocks<T, G>& blocks, int column,
                int value_size, int begin, int end, float* values, int64_t stride) {
  constexpr int LINE_PARTS = sizeof(T) * LANES < 64 ? 64 / (sizeof(T) * LANES) : 1;
  Lanes sums[M][P];
  for (int m = 0; m < M; m++) {
    for (int p = 0; p < P; p++) sums[m][p] = load(values + m * stride + p * LANES);
  }
  for (int g = 0; g < G; g++) {
    const T* v = blocks.block[g].values() + column;
    const T* next = FETCH ? blocks.next[g].values() + column : nullptr;
    for (int m = 0; m < M; m++) {
      float factor = factors[m * G + g];
      if (factor == 1) continue;
      for (int p = 0; p < P; p++) sums[m][p] = multiply(sums[m][p], broadcast(factor));
    }
    for (int t = begin; t < end; t++) {
      Lanes row[P];
      for (int p = 0; p < P; p++) row[p] = load(v + t * value_size + p * LANES);
      if (FETCH) {
        for (int p = 0; p < P; p += LINE_PARTS) fetch(next + t * value_size + p * LANES);
      }
      for (int m = 0; m < M; m++) {
        Lanes weight = broadcast(weights[(m * G + g) * BLOCK + t]);
        for (int p = 0; p < P; p++) sums[m][p] = fma(weight, row[p], sums[m][p]);
      }
    }
  }
  for (int m = 0; m < M; m++) {
    for (int p = 0; p < P; p++) store(values + m * stride + p * LANES, sums[m][p]);
  }
}

// Weights of values as they are stored: for q8 multiplied by the scales of a group of columns.
template <typename T, int G, int M>
const float* weights_of(const float* weights, const Blocks<T, G>& blocks, int column, bool fetches,
                        float* scaled) {
  if constexpr (!QUANTIZED<T>) {
    return weights;
  } else {
    for (int g = 0; g < G; g++) {
      Lanes scale = load(blocks.block[g].value_scales() + column / KV_GROUP * BLOCK);
      if (fetches) fetch(blocks.next[g].value_scales() + column / KV_GROUP * BLOCK);
      for (int m = 0; m < M; m++) {
        int at = (m * G + g) * BLOCK;
        store(scaled + at, multiply(load(weights + at), scale));
      }
    }
    return scaled;
  }
}

template <typename T, int G, int M, int P>
void add_part(const float* weights, const float* factors, const Blocks<T, G>& blocks, int column,
              int value_size, int begin, int end, bool fetches, float* values, int64_t stride) {
  float scaled[QUANTIZED<T> ? M * G * BLOCK : 1];
  const float* w = weights_of<T, G, M>(weights, blocks, column, fetches, scaled);
  if (fetches) {
    add_values<T, G, M, P, true>(w, factors, blocks, column, value_size, begin, end, values + column, stride);
  } else {
    add_values<T, G, M, P, false>(w, factors, blocks, column, value_size, begin, end, values + column, stride);
  }
}

template <typename T, int G, int M>
void add_all_parts(const float* weights, const float* factors, const Blocks<T, G>& blocks, int value_size,
                   int begin, int end, bool fetches, float* values, int64_t stride) {
  constexpr int MOST = SUM_PARTS<T>;
  int c = 0;
  for (; c + MOST * LANES <= value_size; c += MOST * LANES) {
    add_part<T, G, M, MOST>(weights, factors, blocks, c, value_size, begin, end, fetches, values, stride);
  }
  if constexpr (MOST == 1) {
    if (c < value_size) add_part<T, G, M, 1>(weights, factors, blocks, c, value_size, begin, end, fetches, values, stride);
  } else if constexpr (!QUANTIZED<T>) {
    switch ((value_size - c + LANES - 1) / LANES) {
      case 1: add_part<T, G, M, 1>(weights, factors, blocks, c, value_size, begin, end, fetches, values, stride); break;
      case 2: add_part<T, G, M, 2>(weights, factors, blocks, c, value_size, begin, end, fetches, values, stride); break;
      case 3: add_part<T, G, M, 3>(weights, factors, blocks, c, value_size, begin, end, fetches, values, stride); break;
      case 4: add_part<T, G, M, 4>(weights, factors, blocks, c, value_size, begin, end, fetches, values, stride); break;
    }
  }
}

}  // namespace lockstep
