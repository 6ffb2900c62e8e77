// SPDX-License-Identifier: Apache-2.0
// Causal softmax attention of one tile: some tokens of one row, times the query heads of one KV head. A pair of a token
// and a query head is called a vector; a tile holds its vectors token by token.
//
// Law 6: the result of a vector is a function of its own query and its own sequence. Blocks are read in ascending order
// with a running maximum, in segments of 32 blocks counted from the start of the sequence; each segment starts from an
// empty state and is then merged, so segments may be computed on different threads. The number of vectors that share a
// tile never affects a result.
//
// With a window a token attends to itself and the window - 1 preceding tokens: a block that ends before them is not
// looked up, and a vector that does not attend to a block keeps its state unchanged.
#include <cmath>

#include "lanes.h"

using namespace lockstep;

namespace {

constexpr int BLOCK = 16;
constexpr int SEGMENT_BLOCKS = 32;
constexpr int SEGMENT = SEGMENT_BLOCKS * BLOCK;

// Register tiles: 8 sums of scores; 16 sums of values, 4 vectors by 4 parts of 16 columns. Half as many scores and a
// part of values where sixteen floats need several of the registers.
constexpr bool WIDE = vec::REGISTERS / PARTS >= 32;
constexpr int SCORE_VECTORS = WIDE ? 8 : 4, SUM_VECTORS = 4, SUM_PARTS = WIDE ? 4 : 1;

// The state of a vector, as floats: [maximum, 15 unused][16 sums of weights][padded head].
constexpr int WEIGHTS = LANES, VALUES = 2 * LANES;

// Asks for the line of memory that is read next where `at` is read now: the blocks of a sequence follow each other in no
// order that the processor could foresee, so the next one is asked for bit by bit while this one is computed.
template <typename T>
inline void fetch(const T* at) {
  __builtin_prefetch(at);
}

// Scores of 16 tokens for M vectors, added in ascending dimension; `next` are the keys of the next block.
template <typename T, int M>
void scores(const float* q, int64_t q_stride, const T* k, const T* next, int head_size, float* out) {
  Lanes sums[M];
  for (int m = 0; m < M; m++) sums[m] = broadcast(0);
  for (int d = 0; d < head_size; d++) {
    Lanes keys = load(k + d * BLOCK);
    fetch(next + d * BLOCK);
    for (int m = 0; m < M; m++) {
      sums[m] = fma(broadcast(q[m * q_stride + d]), keys, sums[m]);
    }
  }
  for (int m = 0; m < M; m++) store(out + m * BLOCK, sums[m]);
}

template <typename T>
void all_scores(const float* q, int64_t q_stride, const T* k, const T* next, int head_size,
                int vectors, float* out) {
  int m = 0;
  for (; m + SCORE_VECTORS <= vectors; m += SCORE_VECTORS) {
    scores<T, SCORE_VECTORS>(q + m * q_stride, q_stride, k, next, head_size,
                             out + m * BLOCK);
  }
  const float* rest = q + m * q_stride;
  float* rest_out = out + m * BLOCK;
  switch (vectors - m) {
    case 1: scores<T, 1>(rest, q_stride, k, next, head_size, rest_out); break;
    case 2: scores<T, 2>(rest, q_stride, k, next, head_size, rest_out); break;
    case 3: scores<T, 3>(rest, q_stride, k, next, head_size, rest_out); break;
    case 4: scores<T, 4>(rest, q_stride, k, next, head_size, rest_out); break;
    case 5: scores<T, 5>(rest, q_stride, k, next, head_size, rest_out); break;
    case 6: scores<T, 6>(rest, q_stride, k, next, head_size, rest_out); break;
    case 7: scores<T, 7>(rest, q_stride, k, next, head_size, rest_out); break;
  }
}

// Turns the scores of one vector into weights, 0 outside tokens [begin, end); returns the factor for its earlier sums.
float weigh(float* scores, int begin, int end, float soft_cap, float* state) {
  Lanes s = load(scores);
  if (soft_cap > 0) s = lockstep::soft_cap(s, broadcast(soft_cap));
  if (begin > 0 || end < BLOCK) s = keep_range(s, begin, end, broadcast(-INFINITY));
  float before = state[0];
  float top = largest(s);
  float now = top > before ? top : before;
  Lanes weights = exponential(subtract(s, broadcast(now)));
  store(scores, weights);
  Lanes sums = load(state + WEIGHTS);
  if (now == before) {
    store(state + WEIGHTS, add(sums, weights));
    return 1;
  }
  Lanes factor = exponential(broadcast(before - now));
  store(state + WEIGHTS, fma(sums, factor, weights));
  state[0] = now;
  float lanes[LANES];
  store(lanes, factor);
  return lanes[0];
}

// Adds P · 16 columns of weighted values for M vectors, in ascending token order; `next` are the values of the next block.
template <typename T, int M, int P>
void add_values(const float* weights, const float* factors, const T* v, const T* next, int head_size,
                int begin, int end, float* values, int64_t stride) {
  constexpr int LINE_PARTS = sizeof(T) * LANES < 64 ? 64 / (sizeof(T) * LANES) : 1;
  Lanes sums[M][P];
  for (int m = 0; m < M; m++) {
    Lanes factor = broadcast(factors[m]);
    for (int p = 0; p < P; p++) {
      sums[m][p] = multiply(load(values + m * stride + p * LANES), factor);
    }
  }
  for (int t = begin; t < end; t++) {
    Lanes row[P];
    for (int p = 0; p < P; p++) row[p] = load(v + t * head_size + p * LANES);
    for (int p = 0; p < P; p += LINE_PARTS) fetch(next + t * head_size + p * LANES);
    for (int m = 0; m < M; m++) {
      Lanes weight = broadcast(weights[m * BLOCK + t]);
      for (int p = 0; p < P; p++) sums[m][p] = fma(weight, row[p], sums[m][p]);
    }
  }
  for (int m = 0; m < M; m++) {
    for (int p = 0; p < P; p++) store(values + m * stride + p * LANES, sums[m][p]);
  }
}

template <typename T, int M>
void add_all_parts(const float* weights, const float* factors, const T* v, const T* next,
                   int head_size, int begin, int end, float* values, int64_t stride) {
  int c = 0;
  for (; c + SUM_PARTS * LANES <= head_size; c += SUM_PARTS * LANES) {
    add_values<T, M, SUM_PARTS>(weights, factors, v + c, next + c, head_size, begin, end, values + c,
                                stride);
  }
  for (; c < head_size; c += LANES) {
    add_values<T, M, 1>(weights, factors, v + c, next + c, head_size, begin, end, values + c, stride);
  }
}

template <typename T>
struct Tile {
  const float* queries;  // [vectors][padded head], already scaled
  int64_t padded;
  int head_size;
  int vectors;
  int heads;           // vectors of one token
  int first_position;  // of the tile's first token
  int window;          // tokens a token attends to, itself included
  float soft_cap;      // 0 for none
  const uint8_t* kv;   // layer and head in block 0
  int64_t block_bytes;
  const int32_t* block_table;
  float* weights;  // [vectors][16]
  float* factors;  // [vectors]

  int64_t state_size() const { return VALUES + padded; }

  // The tokens of a block that a vector attends to: [seen_from, seen_to).
  int seen_to(int vector, int block) const {
    int end = first_position + vector / heads + 1 - block * BLOCK;
    return end < BLOCK ? end : BLOCK;
  }
  int seen_from(int vector, int block) const {
    int begin = first_position + vector / heads + 1 - window - block * BLOCK;
    return begin > 0 ? begin : 0;
  }

  // The vectors that attend to any token of a block: [first_vector, end_vector).
  int first_vector(int block) const {
    int token = block * BLOCK - first_position;
    return token > 0 ? token * heads : 0;
  }
  int end_vector(int block) const {
    int64_t token = static_cast<int64_t>(block) * BLOCK + BLOCK - 1 + window - first_position;
    return token * heads < vectors ? static_cast<int>(token) * heads : vectors;
  }

  const T* keys(int block) const { return reinterpret_cast<const T*>(kv + block_table[block] * block_bytes); }

  // `next` is the block that is added after this one.
  void add_block(int block, int next, float* states) const {
    const T* k = keys(block);
    const T* next_k = keys(next);
    int first = first_vector(block), last = end_vector(block);
    all_scores(queries + first * padded, padded, k, next_k, head_size, last - first,
               weights + first * BLOCK);
    for (int m = first; m < last; m++) {
      factors[m] = weigh(weights + m * BLOCK, seen_from(m, block), seen_to(m, block), soft_cap,
                         states + m * state_size());
    }
    for (int m = first; m < last;) {
      int begin = seen_from(m, block), end = seen_to(m, block);
      int same = m + 1;
      while (same < last && same - m < SUM_VECTORS && seen_to(same, block) == end &&
             seen_from(same, block) == begin) {
        same++;
      }
      float* values = states + m * state_size() + VALUES;
      switch (same - m) {
        case 1: add_parts<1>(m, k, next_k, begin, end, values); break;
        case 2: add_parts<2>(m, k, next_k, begin, end, values); break;
        case 3: add_parts<3>(m, k, next_k, begin, end, values); break;
        case 4: add_parts<4>(m, k, next_k, begin, end, values); break;
      }
      m = same;
    }
  }

  template <int M>
  void add_parts(int m, const T* k, const T* next_k, int begin, int end, float* values) const {
    const int64_t to_values = BLOCK * head_size;
    add_all_parts<T, M>(weights + m * BLOCK, factors + m, k + to_values, next_k + to_values, head_size,
                        begin, end, values, state_size());
  }

  void compute_segment(int segment, float* states) const {
    for (int m = 0; m < vectors; m++) {
      float* state = states + m * state_size();
      memset(state, 0, state_size() * sizeof(float));
      state[0] = -INFINITY;
    }
    int seen = first_position + 1 - window;
    int first = segment * SEGMENT_BLOCKS;
    if (seen > 0 && seen / BLOCK > first) first = seen / BLOCK;
    int last = (first_position + (vectors - 1) / heads) / BLOCK;
    int end = (segment + 1) * SEGMENT_BLOCKS - 1;
    for (int block = first; block <= (end < last ? end : last); block++) {
      add_block(block, block < last ? block + 1 : block, states);
    }
  }
};

// Merges the state of a later segment; a segment that the vector does not attend to has no maximum.
void merge(float* state, const float* later, int64_t padded) {
  if (later[0] == -INFINITY) return;
  float now = later[0] > state[0] ? later[0] : state[0];
  Lanes a = exponential(broadcast(state[0] - now));
  Lanes b = exponential(broadcast(later[0] - now));
  state[0] = now;
  for (int64_t i = WEIGHTS; i < VALUES + padded; i += LANES) {
    store(state + i, fma(load(later + i), b, multiply(load(state + i), a)));
  }
}

void finish(const float* state, int head_size, float* out) {
  Lanes factor = broadcast(1.0f / sum(load(state + WEIGHTS)));
  int d = 0;
  for (; d + LANES <= head_size; d += LANES) {
    store(out + d, multiply(load(state + VALUES + d), factor));
  }
  if (d < head_size) {
    store_first(out + d, multiply(load(state + VALUES + d), factor), head_size - d);
  }
}

template <typename T>
void attend(const float* qkv, int64_t stride, int tokens, int first_position,
            const int32_t* query_heads, int heads, int head_size, float scale, int window,
            float soft_cap, const uint8_t* kv, int64_t block_bytes,
            const int32_t* block_table, int segment, float* out, int64_t out_stride,
            float* scratch) {
  int64_t padded = (head_size + LANES - 1) / LANES * LANES;
  int vectors = tokens * heads;
  Tile<T> tile;
  tile.padded = padded;
  tile.head_size = head_size;
  tile.vectors = vectors;
  tile.heads = heads;
  tile.first_position = first_position;
  tile.window = window;
  tile.soft_cap = soft_cap;
  tile.kv = kv;
  tile.block_bytes = block_bytes;
  tile.block_table = block_table;
  float* queries = scratch;
  tile.queries = queries;
  tile.weights = queries + vectors * padded;
  tile.factors = tile.weights + vectors * BLOCK;
  float* states = tile.factors + vectors;
  for (int t = 0; t < tokens; t++) {
    for (int h = 0; h < heads; h++) {
      const float* from = qkv + t * stride + query_heads[h] * head_size;
      for (int d = 0; d < head_size; d++) *queries++ = from[d] * scale;
      queries += padded - head_size;
    }
  }
  if (segment >= 0) {
    tile.compute_segment(segment, out);
    return;
  }
  int64_t size = tile.state_size();
  int first = first_position + 1 - window > 0 ? (first_position + 1 - window) / SEGMENT : 0;
  tile.compute_segment(first, states);
  int last = (first_position + tokens - 1) / SEGMENT;
  float* later = states + vectors * size;
  for (int s = first + 1; s <= last; s++) {
    tile.compute_segment(s, later);
    for (int m = 0; m < vectors; m++) merge(states + m * size, later + m * size, padded);
  }
  for (int t = 0; t < tokens; t++) {
    for (int h = 0; h < heads; h++) {
      finish(states + (t * heads + h) * size, head_size,
             out + t * out_stride + query_heads[h] * head_size);
    }
  }
}

}  // namespace

// Computes one tile. `qkv` and `out` point at its first token, `kv` at the layer and head in block 0, `block_table` at
// the row's blocks. With segment < 0 the whole sequence is read and the result written to `out`; else `out` receives
// the states of that segment, [vectors][32 + padded head]. kv_type: 0 F32, 1 F16, 2 BF16. Scratch: vectors · (3 ·
// padded + 81) floats, which AttentionOps counts.
LOCKSTEP void lockstep_attend(const float* qkv, int64_t stride, int32_t tokens,
                              int32_t first_position, const int32_t* query_heads, int32_t heads,
                              int32_t head_size, float scale, int32_t window, float soft_cap,
                              const uint8_t* kv, int64_t block_bytes, int32_t kv_type,
                              const int32_t* block_table,
                              int32_t segment, float* out, int64_t out_stride, float* scratch) {
  auto run = kv_type == 0 ? attend<float> : kv_type == 1 ? attend<Half> : attend<Brain>;
  run(qkv, stride, tokens, first_position, query_heads, heads, head_size, scale, window, soft_cap,
      kv, block_bytes, block_table, segment, out, out_stride, scratch);
}

// Merges the states of `segments` segments, `[segments][tokens · heads]`, and writes the result.
// The states of the first segment are overwritten.
LOCKSTEP void lockstep_attend_merge(float* states, int32_t segments, int32_t tokens,
                                    const int32_t* query_heads, int32_t heads,
                                    int32_t head_size, float* out, int64_t out_stride) {
  int64_t padded = (head_size + LANES - 1) / LANES * LANES;
  int64_t size = VALUES + padded;
  int64_t vectors = static_cast<int64_t>(tokens) * heads;
  for (int64_t m = 0; m < vectors; m++) {
    for (int s = 1; s < segments; s++) {
      merge(states + m * size, states + (s * vectors + m) * size, padded);
    }
    finish(states + m * size, head_size,
           out + m / heads * out_stride + query_heads[m % heads] * head_size);
  }
}
