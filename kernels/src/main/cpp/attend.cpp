// SPDX-License-Identifier: Apache-2.0
// Softmax attention of one tile: some tokens of one row, times the query heads of one KV head. A pair of a token
// and a query head is called a vector; a tile holds its vectors token by token. The tokens of a segment that several
// sequences share are of as many rows: `length` is then the end of the segment, which all of them attend to.
//
// Law 6: the result of a vector is a function of its own query and its own sequence. Blocks are read in ascending order
// with a running maximum, in segments of 32 blocks counted from the start of the sequence; each segment starts from an
// empty state and is then merged, so segments may be computed on different threads. The number of vectors that share a
// tile never affects a result.
//
// A token attends to itself, to those before it, and to `ahead` tokens after it; causal attention has none of them.
// With a window a token attends to the window - 1 preceding tokens only: a block that ends before them is not
// looked up, and a vector that does not attend to a block keeps its state unchanged.
#include "attend_blocks.h"

using namespace lockstep;

namespace {

constexpr int SEGMENT_BLOCKS = 32;
constexpr int SEGMENT = SEGMENT_BLOCKS * BLOCK;

template <typename T>
struct Tile {
  const float* queries;  // [vectors][padded head], already scaled
  int64_t padded;
  int64_t padded_value;
  int head_size;
  int value_size;
  int vectors;
  int heads;           // vectors of one token
  int first_position;  // of the tile's first token
  int window;          // tokens up to itself that a token attends to, at most those up to the last token
  int ahead;           // tokens after itself that a token attends to, at most `length`
  int length;          // tokens of the sequence
  float soft_cap;      // 0 for none
  bool values_are_keys;
  uint8_t* kv;         // layer and head in block 0
  int64_t block_bytes;
  const int32_t* block_table;
  uint8_t* next_kv;           // of the next tile
  const int32_t* next_table;  // from the next tile's first block on
  int next_blocks;            // of the next tile, 0 if there is none
  float* weights;  // [vectors][MOST_BLOCKS][16]
  float* factors;  // [vectors][MOST_BLOCKS]
  T* transposed;   // [STRETCH][16][head], where values are keys

  int64_t state_size() const { return VALUES + padded_value; }
  int last_position() const { return first_position + (vectors - 1) / heads; }

  // The end of the tokens that a vector attends to.
  int seen_end(int vector) const {
    int end = first_position + vector / heads + 1 + ahead;
    return end < length ? end : length;
  }

  // The tokens of a block that a vector attends to: [seen_from, seen_to).
  int seen_to(int vector, int block) const {
    int end = seen_end(vector) - block * BLOCK;
    return end < BLOCK ? end : BLOCK;
  }
  int seen_from(int vector, int block) const {
    int begin = first_position + vector / heads + 1 - window - block * BLOCK;
    return begin > 0 ? begin : 0;
  }

  // The vectors that attend to any token of a block: [first_vector, end_vector).
  int first_vector(int block) const {
    int token = block * BLOCK - ahead - first_position;
    return token > 0 ? token * heads : 0;
  }
  int end_vector(int block) const {
    int64_t token = static_cast<int64_t>(block) * BLOCK + BLOCK - 1 + window - first_position;
    return token * heads < vectors ? static_cast<int>(token) * heads : vectors;
  }

  // Whether every vector attends to every token of G blocks from `block` on.
  template <int G>
  bool all_see(int block) const {
    return (block + G) * BLOCK <= seen_end(0) && last_position() + 1 - window <= block * BLOCK;
  }

  KvBlock<T> kv_block(int block) const { return kv_block(kv, block_table[block]); }
  KvBlock<T> kv_block(uint8_t* null_block, int number) const {
    return {null_block + number * block_bytes, head_size, value_size, values_are_keys};
  }

  // G blocks from `block` on. Those that are asked for meanwhile are a stretch further on, those of the next tile after
  // `last`.
  template <int G>
  Blocks<T, G> blocks(int block, int last) const {
    Blocks<T, G> result;
    for (int g = 0; g < G; g++) {
      int next = block + STRETCH<T> + g, after = next - last - 1;
      result.block[g] = kv_block(block + g);
      result.next[g] = next <= last          ? kv_block(next)
                       : after < next_blocks ? kv_block(next_kv, next_table[after])
                                             : kv_block(last);
    }
    return result;
  }

  // Writes the values of blocks that hold keys alone.
  template <int G>
  void transpose_keys(Blocks<T, G>& blocks) const {
    if (!values_are_keys) return;
    for (int g = 0; g < G; g++) {
      KvBlock<T>& block = blocks.block[g];
      block.transposed = transposed + g * BLOCK * head_size;
      transpose(block.keys(), head_size, block.transposed);
    }
  }

  // Adds a block to which some vectors may attend in part, or not at all.
  void add_block(int block, int last_block, float* states) const {
    Blocks<T, 1> one = blocks<1>(block, last_block);
    int first = first_vector(block), last = end_vector(block);
    all_scores<T, 1>(queries + first * padded, padded, one, head_size, last - first, weights + first * BLOCK);
    for (int m = first; m < last; m++) {
      float* scores = weights + m * BLOCK;
      Lanes s = load(scores);
      if (soft_cap > 0) s = lockstep::soft_cap(s, broadcast(soft_cap));
      int begin = seen_from(m, block), end = seen_to(m, block);
      if (begin > 0 || end < BLOCK) s = keep_range(s, begin, end, broadcast(-INFINITY));
      factors[m] = weigh(s, scores, states + m * state_size());
    }
    transpose_keys(one);
    for (int m = first; m < last;) {
      int begin = seen_from(m, block), end = seen_to(m, block);
      int same = m + 1;
      while (same < last && same - m < SUM_VECTORS<T> && seen_to(same, block) == end &&
             seen_from(same, block) == begin) {
        same++;
      }
      add_vectors<1>(m, same - m, one, begin, end, m == first && !values_are_keys, states);
      m = same;
    }
  }

  // Adds G blocks that all vectors see.
  template <int G>
  void add_seen(int block, int last_block, float* states) const {
    Blocks<T, G> several = blocks<G>(block, last_block);
    all_scores<T, G>(queries, padded, several, head_size, vectors, weights);
    for (int m = 0; m < vectors; m++) {
      weigh_all<G>(weights + m * G * BLOCK, soft_cap, factors + m * G, states + m * state_size());
    }
    transpose_keys(several);
    for (int m = 0; m < vectors; m += SUM_VECTORS<T>) {
      int left = vectors - m, count = left < SUM_VECTORS<T> ? left : SUM_VECTORS<T>;
      add_vectors<G>(m, count, several, 0, BLOCK, m == 0 && !values_are_keys, states);
    }
  }

  template <int G>
  void add_vectors(int m, int count, const Blocks<T, G>& blocks, int begin, int end, bool fetches,
                   float* states) const {
    switch (count) {
      case 1: add_parts<G, 1>(m, blocks, begin, end, fetches, states); break;
      case 2: add_parts<G, 2>(m, blocks, begin, end, fetches, states); break;
      case 3: add_parts<G, 3>(m, blocks, begin, end, fetches, states); break;
      case 4: add_parts<G, 4>(m, blocks, begin, end, fetches, states); break;
    }
    if constexpr (SUM_VECTORS<T> > 4) {
      switch (count) {
        case 5: add_parts<G, 5>(m, blocks, begin, end, fetches, states); break;
        case 6: add_parts<G, 6>(m, blocks, begin, end, fetches, states); break;
        case 7: add_parts<G, 7>(m, blocks, begin, end, fetches, states); break;
        case 8: add_parts<G, 8>(m, blocks, begin, end, fetches, states); break;
      }
    }
  }

  template <int G, int M>
  void add_parts(int m, const Blocks<T, G>& blocks, int begin, int end, bool fetches, float* states) const {
    add_all_parts<T, G, M>(weights + m * G * BLOCK, factors + m * G, blocks, value_size, begin, end, fetches,
                           states + m * state_size() + VALUES, state_size());
  }

  void compute_segment(int segment, float* states) const {
    for (int m = 0; m < vectors; m++) {
      float* state = states + m * state_size();
      memset(state, 0, state_size() * sizeof(float));
      state[0] = -INFINITY;
    }
    int seen = first_position + 1 - window;
    int block = segment * SEGMENT_BLOCKS;
    if (seen > 0 && seen / BLOCK > block) block = seen / BLOCK;
    const int end = (segment + 1) * SEGMENT_BLOCKS - 1;
    const int last = (seen_end(vectors - 1) - 1) / BLOCK;
    const int to = end < last ? end : last;
    while (block <= to) {
      if (block + STRETCH<T> - 1 <= to && all_see<STRETCH<T>>(block)) {
        add_seen<STRETCH<T>>(block, last, states);
        block += STRETCH<T>;
      } else {
        add_block(block, last, states);
        block++;
      }
    }
  }
};

// Floats of whole vectors.
int64_t padded_size(int size) { return (size + LANES - 1) / LANES * LANES; }

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

// What the sums of values are multiplied by, with the greater of maximum and sink as the new maximum.
Lanes factor_of(const float* state, const float* sink) {
  float total = sum(load(state + WEIGHTS));
  if (!sink) return broadcast(1.0f / total);
  float now = *sink > state[0] ? *sink : state[0];
  Lanes own = exponential(broadcast(state[0] - now));
  return divide(own, fma(broadcast(total), own, exponential(broadcast(*sink - now))));
}

// sink: the score of the head that has no value, null for none. value_scale: of the values as they are read.
void finish(const float* state, int value_size, const float* sink, float value_scale, float* out) {
  Lanes factor = multiply(factor_of(state, sink), broadcast(value_scale));
  int d = 0;
  for (; d + LANES <= value_size; d += LANES) {
    store(out + d, multiply(load(state + VALUES + d), factor));
  }
  if (d < value_size) {
    store_first(out + d, multiply(load(state + VALUES + d), factor), value_size - d);
  }
}

template <typename T>
void attend(const float* qkv, int64_t stride, int tokens, int first_position,
            const int32_t* query_heads, int heads, int head_size, int value_size, float scale, float value_scale, int window,
            int ahead, int length, float soft_cap, uint8_t* kv, int64_t block_bytes, bool values_are_keys,
            const int32_t* block_table, uint8_t* next_kv, const int32_t* next_table,
            int next_blocks, int segment, const float* sinks, float* out,
            int64_t out_stride, float* scratch) {
  int64_t padded = padded_size(head_size), padded_value = padded_size(value_size);
  int vectors = tokens * heads;
  Tile<T> tile;
  tile.padded = padded;
  tile.padded_value = padded_value;
  tile.head_size = head_size;
  tile.value_size = value_size;
  tile.vectors = vectors;
  tile.heads = heads;
  tile.first_position = first_position;
  tile.window = window;
  tile.ahead = ahead;
  tile.length = length;
  tile.soft_cap = soft_cap;
  tile.kv = kv;
  tile.block_bytes = block_bytes;
  tile.values_are_keys = values_are_keys;
  tile.block_table = block_table;
  tile.next_kv = next_kv;
  tile.next_table = next_table;
  tile.next_blocks = next_blocks;
  float* queries = scratch;
  tile.queries = queries;
  tile.weights = queries + vectors * padded;
  tile.factors = tile.weights + vectors * MOST_BLOCKS * BLOCK;
  float* states = tile.factors + vectors * MOST_BLOCKS;
  tile.transposed = reinterpret_cast<T*>(states + 2 * vectors * tile.state_size());
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
  int last = (tile.seen_end(vectors - 1) - 1) / SEGMENT;
  float* later = states + vectors * size;
  for (int s = first + 1; s <= last; s++) {
    tile.compute_segment(s, later);
    for (int m = 0; m < vectors; m++) merge(states + m * size, later + m * size, padded_value);
  }
  for (int t = 0; t < tokens; t++) {
    for (int h = 0; h < heads; h++) {
      finish(states + (t * heads + h) * size, value_size, sinks ? sinks + query_heads[h] : nullptr, value_scale,
             out + t * out_stride + query_heads[h] * value_size);
    }
  }
}

}  // namespace

// Computes one tile. `qkv` and `out` point at its first token, `kv` at the layer and head in block 0, `block_table` at
// the row's blocks. next_kv, next_table and next_blocks say the same of the tile that this thread probably computes next,
// from its first block on, so that its first blocks can be asked for. With segment < 0 the whole sequence is read and the
// result written to `out`; else `out` receives the states of that segment, [vectors][32 + padded value]. sinks: a score for
// each query head, or null. kv_type: 0 F32, 1 F16, 2 BF16, 3 q8, 4 fp8. scale, value_scale: of scores and of results, with
// the factors of fp8. Scratch: vectors · (padded + 2 · padded value + 132) floats, then the values of STRETCH blocks, at
// most 32 · (padded + 1) floats, where they are keys; AttentionOps counts them.
LOCKSTEP void lockstep_attend(const float* qkv, int64_t stride, int32_t tokens,
                              int32_t first_position, const int32_t* query_heads, int32_t heads,
                              int32_t head_size, int32_t value_size, float scale, float value_scale, int32_t window,
                              int32_t ahead,
                              int32_t length,
                              float soft_cap,
                              uint8_t* kv, int64_t block_bytes, int32_t kv_type, int32_t values_are_keys,
                              const int32_t* block_table, uint8_t* next_kv,
                              const int32_t* next_table, int32_t next_blocks,
                              int32_t segment, const float* sinks, float* out,
                              int64_t out_stride, float* scratch) {
  auto run = kv_type == 0   ? attend<float>
             : kv_type == 1 ? attend<Half>
             : kv_type == 2 ? attend<Brain>
             : kv_type == 3 ? attend<Code>
                            : attend<Float8>;
  run(qkv, stride, tokens, first_position, query_heads, heads, head_size, value_size, scale, value_scale, window, ahead,
      length, soft_cap, kv, block_bytes, values_are_keys != 0, block_table, next_kv, next_table, next_blocks, segment, sinks,
      out, out_stride, scratch);
}

// Merges the states of `segments` segments, `[segments][tokens · heads]`, and writes the result.
// The states of the first segment are overwritten.
LOCKSTEP void lockstep_attend_merge(float* states, int32_t segments, int32_t tokens,
                                    const int32_t* query_heads, int32_t heads,
                                    int32_t value_size, const float* sinks, float value_scale, float* out,
                                    int64_t out_stride) {
  int64_t padded = padded_size(value_size);
  int64_t size = VALUES + padded;
  int64_t vectors = static_cast<int64_t>(tokens) * heads;
  for (int64_t m = 0; m < vectors; m++) {
    for (int s = 1; s < segments; s++) {
      merge(states + m * size, states + (s * vectors + m) * size, padded);
    }
    finish(states + m * size, value_size, sinks ? sinks + query_heads[m % heads] : nullptr, value_scale,
           out + m / heads * out_stride + query_heads[m % heads] * value_size);
  }
}
