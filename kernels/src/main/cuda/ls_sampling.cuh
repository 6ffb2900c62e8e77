// SPDX-License-Identifier: Apache-2.0
// The state of a sampler, and the noise of a token. Files that include it are compiled with --fmad=false: the noise has
// the CPU's bits.
#pragma once

#include "ls_reduce.cuh"

// The settings of a slot and what a sequence has generated. `factor` is 1 / temperature and `depth` -log(min_p), or
// infinity, both in double; temperature 0 is greedy. MASKED tokens cannot be chosen until `min_tokens` tokens are
// generated; biased_ids [bias_count] are ascending. reads_counts: whether the slot's row of counts is valid. outputs:
// tokens generated, the position of the next. restricted: whether only the ids of the slot's row of masks may be chosen.
#define SAMPLING_SLOT_FIELDS(F)                                                                                       \
  F(double, factor) F(double, depth) F(int64_t, seed) F(const int32_t*, biased_ids) F(const float*, biases)            \
      F(float, temperature) F(float, top_p) F(float, typical_p) F(float, repetition_penalty) F(float, frequency_penalty) \
      F(float, presence_penalty) F(int32_t, top_k) F(int32_t, choice) F(int32_t, min_tokens) F(int32_t, bias_count)    \
      F(int32_t, has_penalties) F(int32_t, reads_counts) F(int32_t, logprobs) F(int32_t, top_logprobs) F(int32_t, admitted) \
      F(int32_t, outputs) F(int32_t, last) F(int32_t, restricted)
LS_STRUCT(SamplingSlot, SAMPLING_SLOT_FIELDS, 112)

// slots [slot_count]. counts [slot_count, vocabulary]: of each token of a slot, see below. masks [slot_count, words of
// the vocabulary]: id i is bit i % 64 of word i / 64.
#define SAMPLER_STATE_FIELDS(F) \
  F(SamplingSlot*, slots) F(uint32_t*, counts) F(uint64_t*, masks) F(int32_t, slot_count) F(int32_t, vocabulary)
LS_STRUCT(SamplerState, SAMPLER_STATE_FIELDS, 32)

constexpr uint32_t IN_PROMPT = 0x80000000u;
constexpr uint32_t MASKED = 0x40000000u;
constexpr uint32_t BIASED = 0x20000000u;
constexpr uint32_t TIMES_GENERATED = 0x1fffffffu;

constexpr int LS_SAMPLING_CHUNK = 64;  // tokens that share four rounds of random words, and one sum of exponentials
constexpr int LS_MAX_TOP_LOGPROBS = 20;

// Returns slot `index`, or null with a report where it is out of range or, with limit 0, not admitted.
__device__ __forceinline__ SamplingSlot* admitted(const SamplerState& sampler, const Report& report, int64_t at, int index) {
  if (!in_range(report, at, index, sampler.slot_count)) return nullptr;
  if (!sampler.slots[index].admitted) {
    in_range(report, at, index, 0);
    return nullptr;
  }
  return sampler.slots + index;
}

// Philox-4x32-10 (Salmon et al., 2011): word `word` of the four of a counter.
__device__ __forceinline__ uint32_t philox(uint64_t key, uint32_t x0, uint32_t x1, uint32_t x2, uint32_t x3, int word) {
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t product0 = static_cast<uint64_t>(x0) * 0xD2511F53u, product1 = static_cast<uint64_t>(x2) * 0xCD9E8D57u;
    x0 = static_cast<uint32_t>(product1 >> 32) ^ x1 ^ key0;
    x1 = static_cast<uint32_t>(product1);
    x2 = static_cast<uint32_t>(product0 >> 32) ^ x3 ^ key1;
    x3 = static_cast<uint32_t>(product0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return word == 0 ? x0 : word == 1 ? x1 : word == 2 ? x2 : x3;
}

// The natural logarithm of a normal, positive number, by the operations of Gumbel.java: IEEE 754 rounds each exactly.
__device__ __forceinline__ double logarithm(double x) {
  int64_t bits = __double_as_longlong(x);
  int64_t exponent = (bits >> 52) - 1023;
  double m = __longlong_as_double((bits & 0xFFFFFFFFFFFFFll) | 0x3FF0000000000000ll);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent++;
  }
  double s = (m - 1.0) / (m + 1.0);
  double t = s * s;
  double p = 1.0 / 21.0;
  p = p * t + 1.0 / 19.0;
  p = p * t + 1.0 / 17.0;
  p = p * t + 1.0 / 15.0;
  p = p * t + 1.0 / 13.0;
  p = p * t + 1.0 / 11.0;
  p = p * t + 1.0 / 9.0;
  p = p * t + 1.0 / 7.0;
  p = p * t + 1.0 / 5.0;
  p = p * t + 1.0 / 3.0;
  p = p * t + 1.0;
  return static_cast<double>(exponent) * 0.6931471805599453 + 2.0 * s * p;
}

// -log(-log u) of the token's random u = (word + ½) / 2^32, a function of (seed, choice, position, token) only.
__device__ __forceinline__ double gumbel_noise(const SamplingSlot& slot, int token) {
  int counter = token / LS_SAMPLING_CHUNK * 16 + token % 16;
  uint32_t random = philox(static_cast<uint64_t>(slot.seed), counter, slot.outputs, slot.choice, 0, token % LS_SAMPLING_CHUNK / 16);
  double u = (static_cast<double>(random) + 0.5) * 0x1p-32;
  return -logarithm(-logarithm(u));
}
