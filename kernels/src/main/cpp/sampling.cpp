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

struct LaneInts {
  vec::Ints part[PARTS];
};

// Random words of tokens [64 · chunk, 64 · chunk + 64): word w of counter 16 · chunk + j belongs
// to token 16 · w + j of the chunk.
void random_words(uint64_t seed, uint32_t choice, uint32_t position, uint32_t chunk, LaneInts words[4]) {
  for (int p = 0; p < PARTS; p++) {
    vec::Ints c0 = vec::add(vec::ints((int)(chunk * LANES + p * vec::WIDTH)), vec::lane_numbers());
    vec::Ints c1 = vec::ints((int)position);
    vec::Ints c2 = vec::ints((int)choice);
    vec::Ints c3 = vec::ints(0);
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
      vec::Ints high0, low0, high1, low1;
      vec::multiply_wide(c0, MULTIPLIER_0, &high0, &low0);
      vec::multiply_wide(c2, MULTIPLIER_1, &high1, &low1);
      c0 = vec::bit_xor(vec::bit_xor(high1, c1), vec::ints((int)key0));
      c1 = low1;
      c2 = vec::bit_xor(vec::bit_xor(high0, c3), vec::ints((int)key1));
      c3 = low0;
      key0 += KEY_STEP_0;
      key1 += KEY_STEP_1;
    }
    words[0].part[p] = c0;
    words[1].part[p] = c1;
    words[2].part[p] = c2;
    words[3].part[p] = c3;
  }
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
  using vec::WIDTH;
  vec::Floats greatest = vec::broadcast(-INFINITY);
  vec::Ints ids = vec::ints(0);
  vec::Ints id = vec::lane_numbers();
  for (int i = 0; i < count; i += WIDTH) {
    int rest = count - i < WIDTH ? count - i : WIDTH;
    vec::Floats x = vec::load_first(logits + i, rest);
    vec::Mask more = vec::both(vec::first(rest), vec::above(x, greatest));
    greatest = vec::select(more, x, greatest);
    ids = vec::select(more, id, ids);
    id = vec::add(id, vec::ints(WIDTH));
  }
  float top[WIDTH];
  int32_t at[WIDTH];
  vec::store(top, greatest);
  vec::store(at, ids);
  float best = -INFINITY;
  int best_id = 0;
  for (int i = 0; i < WIDTH; i++) {
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
  using vec::WIDTH;
  const vec::Floats limit = vec::broadcast(3.40282347e+38f);
  const vec::Floats minus_infinity = vec::broadcast(-INFINITY);
  for (int chunk = 0; chunk * CHUNK < count; chunk++) {
    vec::Floats greatest = minus_infinity;
    for (int i = chunk * CHUNK; i < count && i < (chunk + 1) * CHUNK; i += WIDTH) {
      int rest = count - i < WIDTH ? count - i : WIDTH;
      vec::Floats x = vec::load_first(logits + i, rest);
      vec::Mask valid = vec::both(vec::first(rest), vec::ordered(x));
      x = vec::minimum(vec::select(valid, x, minus_infinity), limit);
      vec::store_first(logits + i, x, rest);
      greatest = vec::maximum(greatest, x);
    }
    maxima[chunk] = vec::largest(greatest);
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
  using vec::WIDTH;
  vec::Ints id = vec::lane_numbers();
  const vec::Floats bound = vec::broadcast(limit);
  int found = 0;
  for (int i = 0; i < count; i += WIDTH) {
    int rest = count - i < WIDTH ? count - i : WIDTH;
    vec::Floats x = vec::load_first(logits + i, rest);
    vec::Mask enough = vec::both(vec::first(rest), vec::at_least(x, bound));
    if (unsigned bits = vec::bits(enough)) {
      vec::store_selected(ids + found, id, enough);
      found += __builtin_popcount(bits);
    }
    id = vec::add(id, vec::ints(WIDTH));
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
  LaneInts words[4];
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
      unsigned open = 0;
      for (int p = 0; p < PARTS; p++) {
        vec::Ints others = vec::bit_xor(words[w].part[p], vec::ints(-1));
        vec::Floats required = vec::multiply(vec::unsigned_to_floats(others), unit.part[p]);
        vec::Mask enough = vec::at_least(bound.part[p], required);
        open |= vec::bits(vec::both(vec::first(rest - p * vec::WIDTH), enough)) << (p * vec::WIDTH);
      }
      if (open == 0) continue;
      uint32_t bits[LANES];
      memcpy(bits, &words[w], sizeof bits);
      for (; open != 0; open &= open - 1) {
        int j = __builtin_ctz(open);
        double x = static_cast<double>(logits[from + j]) - static_cast<double>(greatest);
        best.offer(x * factor + gumbel(bits[j]), from + j);
      }
    }
  }
  return best.id;
}
