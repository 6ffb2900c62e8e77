// SPDX-License-Identifier: Apache-2.0
// The sampling ops on a whole row of logits. Java handles the few candidates that remain.
#include <cmath>

#include "lanes.h"

using namespace lockstep;

namespace {

constexpr int CHUNK = 64;  // tokens that share one maximum, and one round of random numbers

// Philox-4x32-10 (Salmon et al., 2011).
constexpr uint32_t MULTIPLIER_0 = 0xD2511F53, MULTIPLIER_1 = 0xCD9E8D57;
constexpr uint32_t KEY_STEP_0 = 0x9E3779B9, KEY_STEP_1 = 0xBB67AE85;
constexpr int ROUNDS = 10;

// Sixteen products of 32 by 32 bits.
void multiply_wide(__m512i a, uint32_t factor, __m512i* high, __m512i* low) {
  __m512i b = _mm512_set1_epi32(static_cast<int>(factor));
  __m512i even = _mm512_mul_epu32(a, b);
  __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), b);
  *high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
  *low = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}

// Random words of tokens [64 · chunk, 64 · chunk + 64): word w of counter 16 · chunk + j belongs
// to token 16 · w + j of the chunk.
void random_words(uint64_t seed, uint32_t choice, uint32_t position, uint32_t chunk,
                  __m512i words[4]) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i c0 = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(chunk * LANES)), lane);
  __m512i c1 = _mm512_set1_epi32(static_cast<int>(position));
  __m512i c2 = _mm512_set1_epi32(static_cast<int>(choice));
  __m512i c3 = _mm512_setzero_si512();
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    __m512i high0, low0, high1, low1;
    multiply_wide(c0, MULTIPLIER_0, &high0, &low0);
    multiply_wide(c2, MULTIPLIER_1, &high1, &low1);
    c0 = _mm512_xor_si512(_mm512_xor_si512(high1, c1),
                          _mm512_set1_epi32(static_cast<int>(key0)));
    c1 = low1;
    c2 = _mm512_xor_si512(_mm512_xor_si512(high0, c3),
                          _mm512_set1_epi32(static_cast<int>(key1)));
    c3 = low0;
    key0 += KEY_STEP_0;
    key1 += KEY_STEP_1;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// The natural logarithm, by the same operations as Gumbel.java: a libm may differ from Java's.
double logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t exponent = static_cast<int64_t>(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m = m * 0.5;
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

double gumbel(uint32_t word) {
  double u = (static_cast<double>(word) + 0.5) * 0x1p-32;
  return -logarithm(-logarithm(u));
}

struct Best {
  double score;
  int id;

  void offer(double other, int other_id) {
    if (other > score || (other == score && other_id < id)) {
      score = other;
      id = other_id;
    }
  }
};

}  // namespace

// Returns the first id with the greatest logit; a NaN is never greater. 0 if no logit is above
// minus infinity.
LOCKSTEP int32_t lockstep_arg_max(const float* logits, int32_t count) {
  __m512 greatest = _mm512_set1_ps(-INFINITY);
  __m512i ids = _mm512_setzero_si512();
  __m512i id = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int i = 0; i < count; i += LANES) {
    int rest = count - i < LANES ? count - i : LANES;
    __mmask16 valid = static_cast<__mmask16>((1u << rest) - 1);
    __m512 x = _mm512_maskz_loadu_ps(valid, logits + i);
    __mmask16 more = _mm512_mask_cmp_ps_mask(valid, x, greatest, _CMP_GT_OQ);
    greatest = _mm512_mask_mov_ps(greatest, more, x);
    ids = _mm512_mask_mov_epi32(ids, more, id);
    id = _mm512_add_epi32(id, _mm512_set1_epi32(LANES));
  }
  float top[LANES];
  int32_t at[LANES];
  _mm512_storeu_ps(top, greatest);
  _mm512_storeu_si512(at, ids);
  float best = -INFINITY;
  int best_id = 0;
  for (int i = 0; i < LANES; i++) {
    if (top[i] > best || (top[i] == best && best > -INFINITY && at[i] < best_id)) {
      best = top[i];
      best_id = at[i];
    }
  }
  return best_id;
}

// Replaces NaN by minus infinity, and infinity by the greatest float; maxima[c] is the greatest of
// [64 · c, 64 · c + 64).
LOCKSTEP void lockstep_clean(float* logits, int32_t count, float* maxima) {
  const __m512 limit = _mm512_set1_ps(3.40282347e+38f);
  const __m512 minus_infinity = _mm512_set1_ps(-INFINITY);
  for (int chunk = 0; chunk * CHUNK < count; chunk++) {
    __m512 greatest = minus_infinity;
    for (int i = chunk * CHUNK; i < count && i < (chunk + 1) * CHUNK; i += LANES) {
      int rest = count - i < LANES ? count - i : LANES;
      __mmask16 valid = static_cast<__mmask16>((1u << rest) - 1);
      __m512 x = _mm512_mask_loadu_ps(minus_infinity, valid, logits + i);
      __mmask16 ordered = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
      x = _mm512_min_ps(_mm512_mask_mov_ps(minus_infinity, ordered, x), limit);
      _mm512_mask_storeu_ps(logits + i, valid, x);
      greatest = _mm512_max_ps(greatest, x);
    }
    maxima[chunk] = _mm512_reduce_max_ps(greatest);
  }
}

// Returns Σ e^((x - greatest) · factor): sixteen float sums per chunk, added by the tree of
// lanes.h, the chunks added in double.
LOCKSTEP double lockstep_exponential_sum(const float* logits, int32_t count, float greatest,
                                         float factor) {
  double total = 0;
  for (int from = 0; from < count; from += CHUNK) {
    Lanes sums = broadcast(0);
    for (int i = from; i < count && i < from + CHUNK; i += LANES) {
      int rest = count - i < LANES ? count - i : LANES;
      Lanes x = subtract(load_first(logits + i, rest), broadcast(greatest));
      Lanes e = exponential(multiply(x, broadcast(factor)));
      sums = add(sums, keep_first(e, rest, broadcast(0)));
    }
    total += static_cast<double>(sum(sums));
  }
  return total;
}

// Writes the ids of logits that are at least `limit`, ascending; returns their number.
LOCKSTEP int32_t lockstep_collect(const float* logits, int32_t count, float limit,
                                  int32_t* ids) {
  __m512i id = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 bound = _mm512_set1_ps(limit);
  int found = 0;
  for (int i = 0; i < count; i += LANES) {
    int rest = count - i < LANES ? count - i : LANES;
    __mmask16 valid = static_cast<__mmask16>((1u << rest) - 1);
    __m512 x = _mm512_maskz_loadu_ps(valid, logits + i);
    __mmask16 enough = _mm512_mask_cmp_ps_mask(valid, x, bound, _CMP_GE_OQ);
    if (enough != 0) {
      // Compress in a register: a compress to memory is microcode on Zen 4.
      __m512i packed = _mm512_maskz_compress_epi32(enough, id);
      int kept = _mm_popcnt_u32(enough);
      _mm512_mask_storeu_epi32(ids + found, static_cast<__mmask16>((1u << kept) - 1),
                               packed);
      found += kept;
    }
    id = _mm512_add_epi32(id, _mm512_set1_epi32(LANES));
  }
  return found;
}

// Returns the id with the greatest (x - greatest) · factor + noise; `start` is any id whose logit
// is `greatest`.
//
// The noise of u is below -log(1 - u), so an id whose e^((x - greatest) · factor - best score) is
// less than 1 - u cannot win: noise is computed only for the few others, in double.
LOCKSTEP int32_t lockstep_draw(const float* logits, int32_t count, float greatest, int32_t start,
                               double factor, int64_t seed, int32_t choice, int32_t position) {
  // 1e-4 is far above the error of float arithmetic on either side of the comparison.
  const Lanes unit = broadcast(0x1p-32f * (1 - 1e-4f));
  const Lanes top = broadcast(greatest);
  const Lanes slope = broadcast(factor < 1e30 ? static_cast<float>(factor) : 1e30f);
  Best best = {-INFINITY, start};
  __m512i words[4];
  random_words(seed, choice, position, start / CHUNK, words);
  uint32_t all[CHUNK];
  memcpy(all, words, sizeof all);
  best.offer(gumbel(all[start % CHUNK]), start);
  for (int chunk = 0; chunk * CHUNK < count; chunk++) {
    random_words(seed, choice, position, chunk, words);
    for (int w = 0; w < 4; w++) {
      int from = chunk * CHUNK + w * LANES;
      int rest = count - from < LANES ? count - from : LANES;
      if (rest <= 0) break;
      Lanes z = multiply(subtract(load_first(logits + from, rest), top), slope);
      Lanes bound = exponential(subtract(z, broadcast(static_cast<float>(best.score))));
      __m512i others = _mm512_xor_si512(words[w], _mm512_set1_epi32(-1));
      __m512 required = _mm512_mul_ps(_mm512_cvtepu32_ps(others), unit.v);
      __mmask16 valid = static_cast<__mmask16>((1u << rest) - 1);
      unsigned open = _mm512_mask_cmp_ps_mask(valid, required, bound.v, _CMP_LE_OQ);
      if (open == 0) continue;
      uint32_t bits[LANES];
      _mm512_storeu_si512(bits, words[w]);
      for (; open != 0; open &= open - 1) {
        int j = __builtin_ctz(open);
        double x = static_cast<double>(logits[from + j]) - static_cast<double>(greatest);
        best.offer(x * factor + gumbel(bits[j]), from + j);
      }
    }
  }
  return best.id;
}
