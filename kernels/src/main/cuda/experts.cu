// SPDX-License-Identifier: Apache-2.0
// A mixture of experts: out = Σ weight(e) · down(e)(activation(gate(e) · x) · up(e) · x), experts e ascending. Without a
// gate: down(e)(activation(up(e) · x)). Weighted inputs: weight(e) · x in place of weighted outputs.
//
// A pair is a token and one of its experts. experts_route chooses them, experts_sort puts the pairs in order of experts,
// experts_gate_up or experts_up, and experts_down multiply tiles of pairs of one expert, experts_sum adds the pairs of
// each token. An output is one sum in the order of columns, so that it does not depend on the other tokens.
#include "ls_math.cuh"
#include "ls_reduce.cuh"

// logits [tokens, experts] F32. For each token, `per_token` experts ascending, and their weights. `correction` is added to
// the scores to choose, if it is not null; `factors` multiply the weights of experts, if it is not null. Of `groups` groups
// of experts, `kept` are chosen from.
#define EXPERTS_ROUTE_FIELDS(F)                                                                                              \
  F(View, logits) F(int32_t*, chosen) F(float*, weights) F(const float*, correction) F(const float*, factors) F(int32_t, per_token) F(int32_t, renormalized) \
      F(int32_t, sigmoid) F(float, scale) F(int32_t, groups) F(int32_t, kept) F(int32_t, best_two) F(int32_t, unused)
LS_STRUCT(ExpertsRouteParams, EXPERTS_ROUTE_FIELDS, 88)

// chosen [pairs]; `starts` gets the first place of each expert and, last, the number of pairs; tokens[place] is the
// token of a pair, places[pair] its place.
#define EXPERTS_SORT_FIELDS(F) \
  F(const int32_t*, chosen) F(int32_t*, starts) F(int32_t*, tokens) F(int32_t*, places) F(int32_t, pairs) F(int32_t, per_token)
LS_STRUCT(ExpertsSortParams, EXPERTS_SORT_FIELDS, 40)

// weights[e]: the address of expert e's matrix of ACTIVATION, rows `weight_stride` elements apart. biases[e]: that of its
// bias of float, 0 for none. out[place] of each pair. factors[t][i] of the input of token t at places[t][i]; null for 1.
#define EXPERTS_MULTIPLY_FIELDS(F)                                                                                      \
  F(const int64_t*, weights) F(const int64_t*, biases) F(const int32_t*, starts) F(const int32_t*, tokens) F(const int32_t*, places) F(const float*, factors) \
      F(View, x) F(View, out) F(int64_t, weight_stride) F(int32_t, experts) F(int32_t, kind) F(int32_t, per_token) F(int32_t, unused)
LS_STRUCT(ExpertsMultiplyParams, EXPERTS_MULTIPLY_FIELDS, 120)

// out[t] = Σ weights[t][i] · x[places[t][i]], i ascending; weights null for 1.
#define EXPERTS_SUM_FIELDS(F) F(View, x) F(const int32_t*, places) F(const float*, weights) F(View, out) F(int32_t, per_token) F(int32_t, unused)
LS_STRUCT(ExpertsSumParams, EXPERTS_SUM_FIELDS, 72)

namespace {

constexpr int TILE = 16;         // pairs and columns of a tile: a thread has one output
constexpr int DEPTH = 32;        // columns of x that are in shared memory at a time

// The greater, or NaN if one is.
__device__ __forceinline__ float greater(float a, float b) { return a != a || a > b ? a : b; }

// The best of some values that the lanes of a warp have looked at, -1 for none. NaNs lose to nothing: the first is best.
struct Best {
  int index;
  float value;
};

// Returns the best of `count` values that are not -∞, the lower index among ties; the same in all lanes.
__device__ __forceinline__ Best warp_best(const float* values, int count) {
  Best best = {-1, 0};
  for (int i = threadIdx.x; i < count; i += LS_WARP) {
    if (values[i] != -infinity() && (best.index < 0 || values[i] > best.value)) best = {i, values[i]};
  }
  for (int half = LS_WARP / 2; half > 0; half /= 2) {
    int other = __shfl_xor_sync(LS_ALL_LANES, best.index, half);
    float others = __shfl_xor_sync(LS_ALL_LANES, best.value, half);
    bool wins = others > best.value || (!(others < best.value) && other < best.index);
    if (other >= 0 && (best.index < 0 || wins)) best = {other, others};
  }
  return best;
}

// The rank of a group of `size` experts: the greatest choice, or the sum of the two greatest.
__device__ __forceinline__ float group_rank(const float* choices, int size, bool best_two) {
  float best = -infinity(), second = -infinity();
  for (int i = 0; i < size; i++) {
    float choice = choices[i];
    if (choice != choice || choice > best) {
      second = best;
      best = choice;
    } else if (choice > second) {
      second = choice;
    }
  }
  return best_two ? best + second : best;
}

struct Tile {
  int expert;
  int first;  // place of the first pair
  int count;
};

// Returns the tile of number `index`, counted expert by expert; of expert -1 if there is none.
__device__ Tile tile_of(const int32_t* starts, int experts, int index) {
  for (int e = 0; e < experts; e++) {
    int count = starts[e + 1] - starts[e];
    int tiles = (count + TILE - 1) / TILE;
    if (index < tiles) {
      int left = count - index * TILE;
      return {e, starts[e] + index * TILE, left < TILE ? left : TILE};
    }
    index -= tiles;
  }
  return {-1, 0, 0};
}

// Copies columns [from, from + DEPTH) of TILE rows; what is beyond becomes 0.
template <class Row>
__device__ __forceinline__ void load_tile(float (*shared)[DEPTH + 1], int count, int columns, int from, Row row) {
  for (int i = threadIdx.x; i < TILE * DEPTH; i += TILE * TILE) {
    int r = i / DEPTH, c = from + i % DEPTH;
    shared[r][i % DEPTH] = r < count && c < columns ? to_float(row(r)[c]) : 0.0f;
  }
}

// Returns the factor of the input of the pair at a place, which multiplies its products.
__device__ __forceinline__ float factor_at(const ExpertsMultiplyParams& p, int place) {
  if (p.factors == nullptr) return 1.0f;
  int64_t pair = static_cast<int64_t>(p.tokens[place]) * p.per_token;
  while (p.places[pair] != place) pair++;
  return p.factors[pair];
}

// Multiplies a tile of pairs by the rows of one matrix of their expert, and writes what `finish` makes of a sum and of
// the place and the column that it belongs to. `row` returns the input of a place.
template <class Row, class Finish>
__device__ __forceinline__ void multiply(const ExpertsMultiplyParams& p, float (*xs)[DEPTH + 1], float (*ws)[DEPTH + 1], Row row, Finish finish) {
  Tile tile = tile_of(p.starts, p.experts, blockIdx.x);
  if (tile.expert < 0) return;
  const ACTIVATION* weights = reinterpret_cast<const ACTIVATION*>(p.weights[tile.expert]);
  int first = blockIdx.y * TILE, columns = p.out.columns - first;
  int pair = threadIdx.x / TILE, column = threadIdx.x % TILE;
  float sum = 0;
  for (int from = 0; from < p.x.columns; from += DEPTH) {
    load_tile(xs, tile.count, p.x.columns, from, [&](int r) { return row(tile.first + r); });
    load_tile(ws, columns, p.x.columns, from, [&](int r) { return weights + (first + r) * p.weight_stride; });
    __syncthreads();
    for (int i = 0; i < DEPTH; i++) sum = fmaf(xs[pair][i], ws[column][i], sum);
    __syncthreads();
  }
  const float* bias = reinterpret_cast<const float*>(p.biases[tile.expert]);
  if (pair < tile.count && column < columns) {
    int place = tile.first + pair, c = first + column;
    put(row_of<ACTIVATION>(p.out, place) + c, finish(sum, place, bias == nullptr ? 0.0f : bias[c]));
  }
}

}  // namespace

// Grid: tokens; one warp; shared memory for two floats per expert, a float per group and an int per choice.
LS_KERNEL(experts_route, ExpertsRouteParams) {
  LS_DYN_SMEM(float, scores);
  int experts = p.logits.columns, lane = threadIdx.x;
  float* choices = scores + experts;
  float* ranks = choices + experts;
  int* chosen = reinterpret_cast<int*>(ranks + p.groups);
  const float* logits = row_of<float>(p.logits, blockIdx.x);
  int32_t* out = p.chosen + static_cast<int64_t>(blockIdx.x) * p.per_token;
  float* weights = p.weights + static_cast<int64_t>(blockIdx.x) * p.per_token;
  float greatest = -infinity();
  for (int e = lane; e < experts; e += LS_WARP) greatest = greater(logits[e], greatest);
  for (int half = LS_WARP / 2; half > 0; half /= 2) greatest = greater(greatest, __shfl_xor_sync(LS_ALL_LANES, greatest, half));
  float sum = 0, not_a_number = greatest - greatest;
  for (int e = lane; e < experts; e += LS_WARP) {
    scores[e] = p.sigmoid ? 1.0f / (exponential(0.0f - logits[e]) + 1.0f) + not_a_number : exponential(logits[e] - greatest);
    sum += scores[e];
  }
  sum = p.sigmoid ? 1.0f : warp_sum(sum);
  for (int e = lane; e < experts; e += LS_WARP) {
    scores[e] /= sum;
    choices[e] = p.correction == nullptr ? scores[e] : scores[e] + p.correction[e];
  }
  __syncwarp();
  if (p.groups > 1) {
    int size = experts / p.groups;
    for (int g = lane; g < p.groups; g += LS_WARP) ranks[g] = group_rank(choices + g * size, size, p.best_two);
    __syncwarp();
    for (int k = 0; k < p.kept; k++) {
      int best = warp_best(ranks, p.groups).index;
      if (lane == 0) ranks[best] = -infinity();
      __syncwarp();
    }
    // The kept groups have the rank -∞ now; the others are taken out of the choice.
    for (int e = lane; e < experts; e += LS_WARP) {
      if (ranks[e / size] != -infinity()) choices[e] = -infinity();
    }
    __syncwarp();
  }
  float total = 0;
  for (int k = 0; k < p.per_token; k++) {
    // With scores of NaN the first experts are chosen.
    int best = warp_best(choices, experts).index;
    total += scores[best];
    if (lane == 0) {
      choices[best] = -infinity();
      chosen[k] = best;
      weights[k] = scores[best];
    }
    __syncwarp();
  }
  if (lane != 0) return;
  for (int k = 0; k < p.per_token; k++) {
    int expert = chosen[k], at = k;
    float weight = (p.renormalized ? weights[k] / total : weights[k]) * p.scale;
    if (p.factors != nullptr) weight *= p.factors[expert];
    for (; at > 0 && out[at - 1] > expert; at--) {
      out[at] = out[at - 1];
      weights[at] = weights[at - 1];
    }
    out[at] = expert;
    weights[at] = weight;
  }
}

// Grid: experts; LS_MAX_THREADS threads.
LS_KERNEL(experts_sort, ExpertsSortParams) {
  __shared__ int sums[LS_WARPS];
  int expert = blockIdx.x, before = 0, own = 0;
  for (int i = threadIdx.x; i < p.pairs; i += blockDim.x) {
    before += p.chosen[i] < expert;
    own += p.chosen[i] == expert;
  }
  int place = block_sum(before, sums);
  own = block_sum(own, sums);
  if (threadIdx.x == 0) {
    p.starts[expert] = place;
    if (expert == static_cast<int>(gridDim.x) - 1) p.starts[expert + 1] = place + own;
  }
  for (int from = 0; from < p.pairs; from += blockDim.x) {
    int i = from + static_cast<int>(threadIdx.x);
    bool mine = i < p.pairs && p.chosen[i] == expert;
    unsigned lanes = __ballot_sync(LS_ALL_LANES, mine);
    if (threadIdx.x % LS_WARP == 0) sums[threadIdx.x / LS_WARP] = __popc(lanes);
    __syncthreads();
    int at = place + __popc(lanes & ((1u << threadIdx.x % LS_WARP) - 1));
    for (unsigned warp = 0; warp < LS_WARPS; warp++) {
      if (warp < threadIdx.x / LS_WARP) at += sums[warp];
      place += sums[warp];
    }
    if (mine) {
      p.tokens[at] = i / p.per_token;
      p.places[i] = at;
    }
    __syncthreads();
  }
}

// out[place] = activation(gate · x) · (up · x), each product with its bias, gate the first out.columns rows of a matrix, up the others.
// Grid: (at least pairs / TILE + experts, out.columns / TILE rounded up); TILE · TILE threads.
LS_KERNEL(experts_gate_up, ExpertsMultiplyParams) {
  __shared__ float xs[TILE][DEPTH + 1], gates[TILE][DEPTH + 1], ups[TILE][DEPTH + 1];
  Tile tile = tile_of(p.starts, p.experts, blockIdx.x);
  if (tile.expert < 0) return;
  const ACTIVATION* weights = reinterpret_cast<const ACTIVATION*>(p.weights[tile.expert]);
  int first = blockIdx.y * TILE, columns = p.out.columns - first;
  int pair = threadIdx.x / TILE, column = threadIdx.x % TILE;
  float gate = 0, up = 0;
  for (int from = 0; from < p.x.columns; from += DEPTH) {
    load_tile(xs, tile.count, p.x.columns, from, [&](int r) { return row_of<const ACTIVATION>(p.x, p.tokens[tile.first + r]); });
    load_tile(gates, columns, p.x.columns, from, [&](int r) { return weights + (first + r) * p.weight_stride; });
    load_tile(ups, columns, p.x.columns, from, [&](int r) { return weights + (static_cast<int64_t>(p.out.columns) + first + r) * p.weight_stride; });
    __syncthreads();
    for (int i = 0; i < DEPTH; i++) {
      gate = fmaf(xs[pair][i], gates[column][i], gate);
      up = fmaf(xs[pair][i], ups[column][i], up);
    }
    __syncthreads();
  }
  const float* bias = reinterpret_cast<const float*>(p.biases[tile.expert]);
  if (pair < tile.count && column < columns) {
    float factor = factor_at(p, tile.first + pair);
    gate *= factor;
    up *= factor;
    if (bias != nullptr) {
      gate += bias[first + column];
      up += bias[p.out.columns + first + column];
    }
    put(row_of<ACTIVATION>(p.out, tile.first + pair) + first + column, gated(p.kind, gate, up));
  }
}

// out[place] = activation(up · x + bias). Grid and threads as above.
LS_KERNEL(experts_up, ExpertsMultiplyParams) {
  __shared__ float xs[TILE][DEPTH + 1], ws[TILE][DEPTH + 1];
  multiply(p, xs, ws, [&](int place) { return row_of<const ACTIVATION>(p.x, p.tokens[place]); },
           [&](float sum, int place, float bias) { return activated(p.kind, fmaf(sum, factor_at(p, place), bias)); });
}

// out[place] = down · x[place] + bias. Grid and threads as above.
LS_KERNEL(experts_down, ExpertsMultiplyParams) {
  __shared__ float xs[TILE][DEPTH + 1], ws[TILE][DEPTH + 1];
  multiply(p, xs, ws, [&](int place) { return row_of<const ACTIVATION>(p.x, place); },
           [&](float sum, int place, float bias) { return sum + bias; });
}

// Grid: (tokens, tiles of columns); any number of threads.
LS_KERNEL(experts_sum, ExpertsSumParams) {
  const int32_t* places = p.places + static_cast<int64_t>(blockIdx.x) * p.per_token;
  const float* weights = p.weights == nullptr ? nullptr : p.weights + static_cast<int64_t>(blockIdx.x) * p.per_token;
  ACTIVATION* out = row_of<ACTIVATION>(p.out, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.out.columns; c += gridDim.y * blockDim.x) {
    float sum = 0;
    for (int i = 0; i < p.per_token; i++) {
      sum = fmaf(weights == nullptr ? 1.0f : weights[i], to_float(row_of<const ACTIVATION>(p.x, places[i])[c]), sum);
    }
    put(out + c, sum);
  }
}
