// SPDX-License-Identifier: Apache-2.0
// Causal convolution of each channel, in place. Grid: (tiles of channels, rows); a thread has a channel.
#include "ls_state.cuh"

// x[t] = bias + Σ weight[i] · x[t - taps + 1 + i], i ascending: weight [taps][channels], bias [channels] or null. A state
// is the last taps - 1 inputs, [taps - 1][channels], the oldest first.
#define CONVOLVE_FIELDS(F) \
  F(StateRows, rows) F(View, x) F(const float*, weight) F(const float*, bias) F(int32_t, taps) F(int32_t, unused)
LS_STRUCT(ConvolveParams, CONVOLVE_FIELDS, 120)

namespace {

constexpr int MAX_TAPS = 8;
constexpr int AHEAD = 8;  // tokens whose inputs are on the way at a time

}  // namespace

LS_KERNEL(convolve, ConvolveParams) {
  StateRow row = state_row(p.rows, blockIdx.y);
  int c = blockIdx.x * blockDim.x + threadIdx.x, channels = p.x.columns;
  if (row.state == nullptr || c >= channels) return;
  float bias = p.bias == nullptr ? 0.0f : p.bias[c];
  // The newest input and its weight are last, so that every index is a constant; what is before the first tap is unused.
  int first = MAX_TAPS - p.taps;
  float weight[MAX_TAPS], before[MAX_TAPS - 1];
#pragma unroll
  for (int i = 0; i < MAX_TAPS; i++) weight[i] = i < first ? 0.0f : p.weight[static_cast<int64_t>(i - first) * channels + c];
#pragma unroll
  for (int i = 0; i < MAX_TAPS - 1; i++) {
    before[i] = i < first || row.fresh ? 0.0f : row.state[static_cast<int64_t>(i - first) * channels + c];
  }
  for (int from = row.from; from < row.to; from += AHEAD) {
    float inputs[AHEAD];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) inputs[a] = from + a < row.to ? to_float(row_of<ACTIVATION>(p.x, from + a)[c]) : 0.0f;
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      if (from + a >= row.to) break;
      float sum = bias;
#pragma unroll
      for (int i = 0; i < MAX_TAPS - 1; i++) {
        if (i >= first) sum = fmaf(before[i], weight[i], sum);
      }
      put(row_of<ACTIVATION>(p.x, from + a) + c, fmaf(inputs[a], weight[MAX_TAPS - 1], sum));
#pragma unroll
      for (int i = 0; i + 1 < MAX_TAPS - 1; i++) before[i] = before[i + 1];
      before[MAX_TAPS - 2] = inputs[a];
    }
  }
#pragma unroll
  for (int i = 0; i < MAX_TAPS - 1; i++) {
    if (i >= first) row.state[static_cast<int64_t>(i - first) * channels + c] = before[i];
  }
}
