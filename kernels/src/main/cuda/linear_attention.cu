// SPDX-License-Identifier: Apache-2.0
// Attention as a recurrence over a state [key size, value size] of each value head:
//
//   delta:  S = kept · S;  S += k ⊗ share · (v - kᵀ S);  out = qᵀ S
//   sum:    S = kept · S + k ⊗ share · v;                out = qᵀ S
//
// A column of the state is in the registers of LANES threads while the tokens of a row pass; keys, queries, values and
// gates of several tokens are in shared memory. Every sum has one order, so that any chunks of a sequence give the same
// bits.
#include "ls_state.cuh"

// A row of qkv: queries and keys of all key heads, then values. Value head h reads key head (offset + h) / group, from the
// first on again after the last. gates [tokens, 2 · value_heads] F32: the shares, then what the states keep. skip
// [value_heads] or null: a factor of the value that is added to the output. A state: [value columns][key_size].
#define LINEAR_ATTENTION_FIELDS(F)                                                                                     \
  F(StateRows, rows) F(View, qkv) F(View, gates) F(const float*, skip) F(View, out) F(int32_t, key_heads) F(int32_t, value_heads) \
      F(int32_t, key_size) F(int32_t, value_size) F(int32_t, group) F(int32_t, offset) F(int32_t, delta) F(int32_t, unused)
LS_STRUCT(LinearAttentionParams, LINEAR_ATTENTION_FIELDS, 184)

namespace {

constexpr int TILE = 16;  // columns of a block, all of one head
constexpr int LANES = 8;  // threads of a column
constexpr int THREADS = TILE * LANES;
constexpr int QUAD = 4;
constexpr int STAGED = 2048;     // floats of keys, and of queries, in shared memory
constexpr int MAX_TOKENS = 16;  // in shared memory

// Keys q · 32 + i · 8 + lane, i = 0 … 3, of quad q: a warp then reads and writes whole sectors of states, and a thread a
// whole quad of shared memory.
struct __align__(16) Quad {
  float at[QUAD];
};

constexpr int SPAN = QUAD * LANES;  // keys of a quad of every lane

struct Stage {
  Quad keys[STAGED / QUAD];
  Quad queries[STAGED / QUAD];
  float values[MAX_TOKENS * TILE];
  float shares[MAX_TOKENS];
  float kept[MAX_TOKENS];
};

// Returns where a key stands among the floats of a token.
__device__ __forceinline__ int place_of(int key) {
  return key / SPAN * SPAN + key % LANES * QUAD + key % SPAN / LANES;
}

// Returns the sum over the threads of a column, to all of them.
__device__ __forceinline__ float column_sum(const float* partial) {
  float sum = (partial[0] + partial[1]) + (partial[2] + partial[3]);
#pragma unroll
  for (int half = LANES / 2; half > 0; half /= 2) sum += __shfl_xor_sync(LS_ALL_LANES, sum, half);
  return sum;
}

// Updates a column by one token and returns what the query reads.
template <int QUADS>
__device__ __forceinline__ float pass(Quad* state, const Quad* keys, const Quad* queries, float value, float share, float kept,
                                      bool delta) {
  int lane = threadIdx.x % LANES;
  float found[QUAD] = {}, out[QUAD] = {};
#pragma unroll
  for (int q = 0; q < QUADS; q++) {
#pragma unroll
    for (int i = 0; i < QUAD; i++) state[q].at[i] *= kept;
  }
  if (delta) {
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
      Quad key = keys[q * LANES + lane];
#pragma unroll
      for (int i = 0; i < QUAD; i++) found[i] = fmaf(state[q].at[i], key.at[i], found[i]);
    }
    value -= column_sum(found);
  }
  float added = value * share;
#pragma unroll
  for (int q = 0; q < QUADS; q++) {
    Quad key = keys[q * LANES + lane], query = queries[q * LANES + lane];
#pragma unroll
    for (int i = 0; i < QUAD; i++) {
      state[q].at[i] = fmaf(added, key.at[i], state[q].at[i]);
      out[i] = fmaf(state[q].at[i], query.at[i], out[i]);
    }
  }
  return column_sum(out);
}

// Copies tokens [from, from + count) to shared memory; keys beyond key_size become 0.
template <int QUADS>
__device__ __forceinline__ void load(const LinearAttentionParams& p, int head, int from, int count, Stage& stage) {
  constexpr int SIZE = QUADS * SPAN;
  int key_head = (p.offset + head) / p.group % p.key_heads;
  int64_t key_columns = static_cast<int64_t>(p.key_heads) * p.key_size;
  int64_t own = static_cast<int64_t>(key_head) * p.key_size;
  float* keys = stage.keys[0].at;
  float* queries = stage.queries[0].at;
  for (int i = threadIdx.x; i < count * SIZE; i += THREADS) {
    int key = i % SIZE, place = i - key + place_of(key);
    const ACTIVATION* token = row_of<const ACTIVATION>(p.qkv, from + i / SIZE) + own + key;
    bool exists = key < p.key_size;
    queries[place] = exists ? to_float(token[0]) : 0.0f;
    keys[place] = exists ? to_float(token[key_columns]) : 0.0f;
  }
  for (int i = threadIdx.x; i < count * TILE; i += THREADS) {
    const ACTIVATION* values = row_of<const ACTIVATION>(p.qkv, from + i / TILE) + 2 * key_columns;
    stage.values[i] = to_float(values[static_cast<int64_t>(blockIdx.x) * TILE + i % TILE]);
  }
  for (int t = threadIdx.x; t < count; t += THREADS) {
    const float* gates = row_of<const float>(p.gates, from + t) + head;
    stage.shares[t] = gates[0];
    stage.kept[t] = gates[p.value_heads];
  }
}

template <int QUADS>
__device__ __forceinline__ void attend(const LinearAttentionParams& p, Stage& stage) {
  constexpr int SIZE = QUADS * SPAN;
  constexpr int TOKENS = STAGED / SIZE < MAX_TOKENS ? STAGED / SIZE : MAX_TOKENS;
  StateRow row = state_row(p.rows, blockIdx.y);
  int lane = threadIdx.x % LANES, own = threadIdx.x / LANES, column = blockIdx.x * TILE + own;
  if (row.state == nullptr) {
    for (int t = row.from; t < row.to; t++) {
      if (lane == 0) put(row_of<ACTIVATION>(p.out, t) + column, 0.0f);
    }
    return;
  }
  int head = column / p.value_size;
  float* memory = row.state + static_cast<int64_t>(column) * p.key_size;
  float skip = p.skip == nullptr ? 0.0f : p.skip[head];
  Quad state[QUADS];
#pragma unroll
  for (int q = 0; q < QUADS; q++) {
#pragma unroll
    for (int i = 0; i < QUAD; i++) {
      int key = q * SPAN + i * LANES + lane;
      state[q].at[i] = row.fresh || key >= p.key_size ? 0.0f : memory[key];
    }
  }
  for (int from = row.from; from < row.to; from += TOKENS) {
    int count = min(TOKENS, row.to - from);
    __syncthreads();
    load<QUADS>(p, head, from, count, stage);
    __syncthreads();
    for (int t = 0; t < count; t++) {
      float value = stage.values[t * TILE + own];
      float result = pass<QUADS>(state, stage.keys + t * SIZE / QUAD, stage.queries + t * SIZE / QUAD, value, stage.shares[t],
                                 stage.kept[t], p.delta != 0);
      if (p.skip != nullptr) result = fmaf(value, skip, result);
      if (lane == 0) put(row_of<ACTIVATION>(p.out, from + t) + column, result);
    }
  }
#pragma unroll
  for (int q = 0; q < QUADS; q++) {
#pragma unroll
    for (int i = 0; i < QUAD; i++) {
      int key = q * SPAN + i * LANES + lane;
      if (key < p.key_size) memory[key] = state[q].at[i];
    }
  }
}

}  // namespace

// For keys up to a size. Grid: (tiles of value columns, rows); THREADS threads.
#define LINEAR_ATTENTION(size)                             \
  LS_KERNEL(linear_attention_##size, LinearAttentionParams) { \
    __shared__ Stage stage;                                \
    attend<size / SPAN>(p, stage);                         \
  }
LINEAR_ATTENTION(32)
LINEAR_ATTENTION(64)
LINEAR_ATTENTION(128)
LINEAR_ATTENTION(256)
LINEAR_ATTENTION(512)
