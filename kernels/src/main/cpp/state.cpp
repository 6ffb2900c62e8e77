// SPDX-License-Identifier: Apache-2.0
// Ops over states: what a layer keeps of the tokens before, of a fixed size for each sequence. Token after token in one
// order, so that any chunks of a sequence give the same bits. A lane is a channel or a column of a value: no sum crosses
// lanes.
//
// Row r of a step has tokens [starts[r], starts[r + 1]) and the state of line lines[r]; a line below 0 is padding. With
// computed[r] = 0 the state is zero, whatever its memory holds.
#include "lanes.h"

using namespace lockstep;

namespace {

constexpr int MAX_TAPS = 8;
// Sums over the dimensions of a key: dimension i goes to sum i mod 4, so that four additions run at once.
constexpr int SUMS = 4;

struct Sums {
  Lanes sum[SUMS];
  Sums() {
    for (Lanes& each : sum) each = broadcast(0);
  }
  Lanes total() const { return add(add(sum[0], sum[1]), add(sum[2], sum[3])); }
};

Lanes logistic(Lanes x) {
  return divide(broadcast(1), add(exponential(subtract(broadcast(0), x)), broadcast(1)));
}

// log(1 + e^x) = max(x, 0) + log(1 + y) with y = e^-|x|, and log(1 + y) = 2 artanh(s) with s = y / (2 + y) ≤ 1/3.
Lanes softplus(Lanes x) {
  Lanes y = exponential(subtract(broadcast(0), magnitude(x)));
  Lanes s = divide(y, add(y, broadcast(2)));
  Lanes t = multiply(s, s);
  Lanes p = fma(broadcast(1.0f / 15), t, broadcast(1.0f / 13));
  p = fma(p, t, broadcast(1.0f / 11));
  p = fma(p, t, broadcast(1.0f / 9));
  p = fma(p, t, broadcast(1.0f / 7));
  p = fma(p, t, broadcast(1.0f / 5));
  p = fma(p, t, broadcast(1.0f / 3));
  p = fma(p, t, broadcast(1));
  return fma(multiply(broadcast(2), s), p, maximum(x, broadcast(0)));
}

// Tokens of one row in LANES channels; the state holds the inputs before, the oldest first.
void convolve(float* x, int64_t stride, int64_t columns, int count, const float* weight, Lanes bias, int taps,
              float* state, bool fresh, int64_t tokens) {
  Lanes before[MAX_TAPS];
  for (int i = 0; i < taps - 1; i++) before[i] = fresh ? broadcast(0) : load_first(state + i * columns, count);
  Lanes factor[MAX_TAPS];
  for (int i = 0; i < taps; i++) factor[i] = load_first(weight + i * columns, count);
  for (int64_t t = 0; t < tokens; t++) {
    Lanes input = load_first(x + t * stride, count);
    Lanes sum = bias;
    for (int i = 0; i < taps - 1; i++) sum = fma(before[i], factor[i], sum);
    store_first(x + t * stride, fma(input, factor[taps - 1], sum), count);
    for (int i = 0; i + 1 < taps - 1; i++) before[i] = before[i + 1];
    if (taps > 1) before[taps - 2] = input;
  }
  for (int i = 0; i < taps - 1; i++) store_first(state + i * columns, before[i], count);
}

// One token in LANES columns of one head's state [key_size][LANES].
Lanes attend(float* state, const float* query, const float* key, Lanes value, float decay, float share, int key_size,
             bool delta) {
  Lanes kept = broadcast(decay);
  Lanes added = value;
  if (delta) {
    Sums found;
    for (int i = 0; i < key_size; i++) {
      Lanes s = multiply(load(state + i * LANES), kept);
      store(state + i * LANES, s);
      found.sum[i % SUMS] = fma(s, broadcast(key[i]), found.sum[i % SUMS]);
    }
    added = subtract(value, found.total());
    kept = broadcast(1);
  }
  added = multiply(added, broadcast(share));
  Sums out;
  for (int i = 0; i < key_size; i++) {
    Lanes s = fma(added, broadcast(key[i]), multiply(load(state + i * LANES), kept));
    store(state + i * LANES, s);
    out.sum[i % SUMS] = fma(s, broadcast(query[i]), out.sum[i % SUMS]);
  }
  return out.total();
}

}  // namespace

// Depthwise causal convolution in place; channel tiles [from, to). weight is [taps][columns], a state [taps - 1][columns].
LOCKSTEP void lockstep_convolve(float* x, int64_t stride, int64_t columns, const float* weight, const float* bias,
                                int32_t taps, float* states, int64_t state_stride, const int32_t* starts,
                                const int32_t* computed, const int32_t* lines, int32_t rows, int64_t from, int64_t to) {
  for (int64_t tile = from; tile < to; tile++) {
    int64_t c = tile * LANES;
    int count = static_cast<int>(columns - c < LANES ? columns - c : LANES);
    Lanes added = bias == nullptr ? broadcast(0) : load_first(bias + c, count);
    for (int row = 0; row < rows; row++) {
      if (lines[row] < 0) continue;
      convolve(x + starts[row] * stride + c, stride, columns, count, weight + c, added, taps,
               states + lines[row] * state_stride + c, computed[row] == 0, starts[row + 1] - starts[row]);
    }
  }
}

// Rows [from, to) of gates [rows, 2 · heads]: the share of a token in the state, then what the state keeps.
LOCKSTEP void lockstep_decay(float* gates, int64_t stride, int64_t heads, const float* rate, const float* bias,
                             float least, float most, int32_t steps, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    for (int64_t c = 0; c < heads; c += LANES) {
      int count = static_cast<int>(heads - c < LANES ? heads - c : LANES);
      float* shares = gates + row * stride + c;
      float* kept = shares + heads;
      Lanes step = softplus(add(load_first(kept, count), load_first(bias + c, count)));
      step = minimum(maximum(step, broadcast(least)), broadcast(most));
      store_first(kept, exponential(multiply(load_first(rate + c, count), step)), count);
      store_first(shares, steps ? step : logistic(load_first(shares, count)), count);
    }
  }
}

// Units [from, to): unit u is columns 16 · (u mod tiles) … of value head u / tiles. A row of qkv is queries and keys of
// all key heads, then values; value head h reads key head (offset + h) / group, from the first on again after the last.
LOCKSTEP void lockstep_linear_attention(const float* qkv, int64_t stride, int32_t key_heads, int32_t key_size,
                                        int32_t value_size, int32_t value_heads, int32_t group, int32_t offset,
                                        int32_t delta, const float* gates, int64_t gate_stride, const float* skip,
                                        float* states, int64_t state_stride, const int32_t* starts,
                                        const int32_t* computed, const int32_t* lines, int32_t rows, float* out,
                                        int64_t out_stride, int64_t from, int64_t to) {
  int64_t tiles = value_size / LANES;
  int64_t key_columns = static_cast<int64_t>(key_heads) * key_size;
  for (int64_t unit = from; unit < to; unit++) {
    int64_t head = unit / tiles;
    int64_t key = (offset + head) / group % key_heads * key_size;
    int64_t column = unit * LANES;
    for (int row = 0; row < rows; row++) {
      if (lines[row] < 0) {
        for (int64_t t = starts[row]; t < starts[row + 1]; t++) store(out + t * out_stride + column, broadcast(0));
        continue;
      }
      float* state = states + lines[row] * state_stride + column * key_size;
      if (computed[row] == 0) memset(state, 0, sizeof(float) * LANES * key_size);
      for (int64_t t = starts[row]; t < starts[row + 1]; t++) {
        const float* token = qkv + t * stride;
        const float* gate = gates + t * gate_stride + head;
        Lanes value = load(token + 2 * key_columns + column);
        Lanes result = attend(state, token + key, token + key_columns + key, value, gate[value_heads], gate[0],
                              key_size, delta != 0);
        if (skip != nullptr) result = fma(value, broadcast(skip[head]), result);
        store(out + t * out_stride + column, result);
      }
    }
  }
}

// Rows [from, to): x = x · y, or x · logistic(y); y_columns 1 multiplies a whole row by one factor.
LOCKSTEP void lockstep_multiply(float* x, int64_t stride, int64_t columns, const float* y, int64_t y_stride,
                                int64_t y_columns, int32_t gated, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; row++) {
    const float* factors = y + row * y_stride;
    for (int64_t c = 0; c < columns; c += LANES) {
      int count = static_cast<int>(columns - c < LANES ? columns - c : LANES);
      float* values = x + row * stride + c;
      Lanes factor = y_columns == 1 ? broadcast(factors[0]) : load_first(factors + c, count);
      store_first(values, multiply(load_first(values, count), gated ? logistic(factor) : factor), count);
    }
  }
}
