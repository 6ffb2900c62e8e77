// SPDX-License-Identifier: Apache-2.0
// Chooses a token for each row of logits, and measures log-probabilities. One block computes a row.
//
// Logits stay as they are: a processed logit is computed where it is read. The order of candidates is that of the CPU:
// greatest logit first, lowest id first among ties. A filter keeps a prefix of it, so that it is known by its last rank,
// which is found digit by digit with a histogram. Masses are added as integers: their sum has no order.
#include "ls_math.cuh"
#include "ls_sampling.cuh"

// What a row's choice is written to: ids and logprobs [rows], top_ids and top_logprobs [rows, LS_MAX_TOP_LOGPROBS].
#define SAMPLES_FIELDS(F) F(int32_t*, ids) F(float*, logprobs) F(View, top_ids) F(View, top_logprobs)
LS_STRUCT(Samples, SAMPLES_FIELDS, 64)

// logits [rows, vocabulary] F32; slots [rows], -1 for padding.
#define SAMPLE_FIELDS(F) F(SamplerState, sampler) F(View, logits) F(const int32_t*, slots) F(Samples, out) F(Report, report)
LS_STRUCT(SampleParams, SAMPLE_FIELDS, 144)

#define SCORE_FIELDS(F) F(View, logits) F(const int32_t*, targets) F(Samples, out) F(int64_t, top) F(Report, report)
LS_STRUCT(ScoreParams, SCORE_FIELDS, 120)

namespace {

constexpr float MAX_FLOAT = 3.40282347e+38f;
constexpr double UNIT = 0x1p44;         // of masses: a likelihood above 2^-20 is exact; 2^19 of them have room
constexpr double MAX_FACTOR = 1e38;     // steeper than any two different floats need
constexpr int DIGITS = 256;
constexpr int KEY_PASS = 4, LAST_PASS = 11;

// The place of a token in an order: ascending by distance, then key, then id.
struct Rank {
  uint32_t distance;
  uint32_t key;
  uint32_t id;
};

__device__ __forceinline__ bool up_to(const Rank& a, const Rank& b) {
  if (a.distance != b.distance) return a.distance < b.distance;
  if (a.key != b.key) return a.key < b.key;
  return a.id <= b.id;
}

__device__ __forceinline__ uint32_t word_of(const Rank& rank, int pass) { return pass < 4 ? rank.distance : pass < 8 ? rank.key : rank.id; }

// Returns whether the digits before those of `pass` are equal.
__device__ __forceinline__ bool same_prefix(const Rank& a, const Rank& b, int pass) {
  if (pass >= 4 && a.distance != b.distance) return false;
  if (pass >= 8 && a.key != b.key) return false;
  return pass % 4 == 0 || (word_of(a, pass) ^ word_of(b, pass)) >> (32 - 8 * (pass % 4)) == 0;
}

// A key that ascends with descending logit; -0 and 0 are equal.
__device__ __forceinline__ uint32_t key_of(float logit) {
  uint32_t bits = __float_as_uint(logit + 0.0f);
  return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

__device__ __forceinline__ float cleaned(float x) { return x != x ? -infinity() : x > MAX_FLOAT ? MAX_FLOAT : x; }

// What the threads of a block share.
struct Shared {
  unsigned long long histogram[DIGITS];
  unsigned long long integers[LS_WARPS];
  double doubles[LS_WARPS];
  int ids[LS_WARPS];
  double result;
  Rank rank;
};

// A candidate of an arg max: the greater score, the lower id of equal ones.
struct Best {
  double score;
  int id;

  __device__ __forceinline__ void offer(double other, int other_id) {
    if (other > score || (other == score && other_id < id)) {
      score = other;
      id = other_id;
    }
  }
};

// Returns the best of a block to every thread.
__device__ __forceinline__ Best block_best(Best best, Shared& shared) {
  for (int half = LS_WARP / 2; half > 0; half /= 2) {
    double score = __shfl_xor_sync(LS_ALL_LANES, best.score, half);
    best.offer(score, __shfl_xor_sync(LS_ALL_LANES, best.id, half));
  }
  if (threadIdx.x % LS_WARP == 0) {
    shared.doubles[threadIdx.x / LS_WARP] = best.score;
    shared.ids[threadIdx.x / LS_WARP] = best.id;
  }
  __syncthreads();
  for (unsigned warp = 0; warp < blockDim.x / LS_WARP; warp++) best.offer(shared.doubles[warp], shared.ids[warp]);
  __syncthreads();
  return best;
}

// Returns the best of value(i); id 0 if none is above minus infinity. A NaN is never better.
template <class Value>
__device__ __forceinline__ Best arg_max(int count, Shared& shared, Value value) {
  Best best = {-static_cast<double>(infinity()), 0};
#pragma unroll 1
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    double score = value(i);
    if (score > best.score) best = {score, i};
  }
  return block_best(best, shared);
}

// Returns Σ e^((x - greatest) · factor) as the CPU does: sixteen sums per chunk, added by a tree, the chunks in order.
// `sums` holds a float for each chunk.
template <class Logit>
__device__ __forceinline__ double exponential_sum(int count, float greatest, float factor, float* sums, Shared& shared, Logit logit) {
  int chunks = (count + LS_SAMPLING_CHUNK - 1) / LS_SAMPLING_CHUNK, lane = threadIdx.x % 16;
  // Half a warp has a chunk; all threads take part in the shuffles.
  for (int first = 0; first < chunks; first += blockDim.x / 16) {
    int chunk = first + threadIdx.x / 16;
    float sum = 0;
#pragma unroll 1
    for (int i = chunk * LS_SAMPLING_CHUNK + lane; i < count && i < (chunk + 1) * LS_SAMPLING_CHUNK; i += 16) {
      sum += exponential((logit(i) - greatest) * factor);
    }
    for (int half = 8; half > 0; half /= 2) sum += __shfl_down_sync(LS_ALL_LANES, sum, half, 16);
    if (lane == 0 && chunk < chunks) sums[chunk] = sum;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    double total = 0;
    for (int chunk = 0; chunk < chunks; chunk++) total += static_cast<double>(sums[chunk]);
    shared.result = total;
  }
  __syncthreads();
  double total = shared.result;
  __syncthreads();
  return total;
}

// Returns the last rank of the shortest prefix whose weights reach `target`; the last of all if none does.
// item(i, rank, weight) returns whether token i is a candidate.
template <class Item>
__device__ __forceinline__ Rank select(int count, int first_pass, unsigned long long target, Shared& shared, Item item) {
  if (threadIdx.x == 0) shared.rank = {0, 0, 0};
  unsigned long long before = 0;
#pragma unroll 1
  for (int pass = first_pass; pass <= LAST_PASS; pass++) {
    for (int digit = threadIdx.x; digit < DIGITS; digit += blockDim.x) shared.histogram[digit] = 0;
    __syncthreads();
    Rank found = shared.rank;
    int shift = 24 - 8 * (pass % 4);
#pragma unroll 1
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
      Rank rank;
      unsigned long long weight;
      if (item(i, rank, weight) && same_prefix(rank, found, pass)) atomicAdd(&shared.histogram[word_of(rank, pass) >> shift & 255], weight);
    }
    __syncthreads();
    // Every thread walks the same way.
    int digit = 0;
    while (digit < DIGITS && before + shared.histogram[digit] < target) before += shared.histogram[digit++];
    __syncthreads();
    if (digit == DIGITS) return {0xffffffffu, 0xffffffffu, 0xffffffffu};
    uint32_t bits = static_cast<uint32_t>(digit) << shift;
    if (threadIdx.x == 0) (pass < 4 ? shared.rank.distance : pass < 8 ? shared.rank.key : shared.rank.id) |= bits;
  }
  __syncthreads();
  Rank last = shared.rank;
  __syncthreads();
  return last;
}

// The processed logits of a row, and the filters of its slot. It lies in shared memory, which saves registers; one thread
// writes it.
struct Row {
  const SamplingSlot* slot;
  const float* logits;
  const uint32_t* counts;  // null if they change nothing
  const uint64_t* mask;    // null if every id is allowed
  bool measured;
  float greatest;
  Rank last;      // of the prefix that is kept so far
  bool typical;   // whether `mean` and `typical_last` hold
  double mean;
  Rank typical_last;

  __device__ __forceinline__ float bias(int id) const {
    int low = 0, high = slot->bias_count - 1;
#pragma unroll 1
    while (low < high) {
      int middle = (low + high) / 2;
      if (slot->biased_ids[middle] < id) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return slot->biases[low];
  }

  // Masks, bias, penalties, in this order.
  __device__ __forceinline__ float processed(int id) const {
    float x = measured ? cleaned(logits[id]) : logits[id];
    if (mask != nullptr && !(mask[id / 64] >> (id % 64) & 1)) x = -infinity();
    if (counts == nullptr || counts[id] == 0) return x;
    uint32_t count = counts[id];
    if (count & MASKED && slot->outputs < slot->min_tokens) x = -infinity();
    if (count & BIASED) x += bias(id);
    if (!slot->has_penalties || !(count & (IN_PROMPT | TIMES_GENERATED))) return x;
    x = x > 0 ? x / slot->repetition_penalty : x * slot->repetition_penalty;
    int times = static_cast<int>(count & TIMES_GENERATED);
    return times == 0 ? x : x - slot->frequency_penalty * static_cast<float>(times) - slot->presence_penalty;
  }

  __device__ __forceinline__ float logit(int id) const { return cleaned(processed(id)); }

  __device__ __forceinline__ double score(float x) const { return (static_cast<double>(x) - greatest) * slot->factor; }

  __device__ __forceinline__ float likelihood(float x) const { return exponential(static_cast<float>(score(x))); }

  __device__ __forceinline__ unsigned long long mass(float x) const {
    return static_cast<unsigned long long>(static_cast<double>(likelihood(x)) * UNIT + 0.5);
  }

  // Returns whether min-p and the prefix keep a token, and its rank.
  __device__ __forceinline__ bool kept(int id, float x, Rank& rank) const {
    rank = {0, key_of(x), static_cast<uint32_t>(id)};
    return x >= -MAX_FLOAT && -score(x) <= slot->depth && up_to(rank, last);
  }

  // The same with the rank by distance from the mean information content.
  __device__ __forceinline__ bool kept_typical(int id, float x, Rank& rank) const {
    bool candidate = kept(id, x, rank);
    rank.distance = __float_as_uint(static_cast<float>(fabs(mean - score(x))));
    return candidate;
  }
};

__device__ __forceinline__ unsigned long long target_of(double share, double mass) {
  return static_cast<unsigned long long>(ceil(share * mass * UNIT));
}

__device__ void filter(Row& row, int count, float* sums, Shared& shared) {
  const SamplingSlot& slot = *row.slot;
  if (slot.top_k > 0) {
    Rank last = select(count, KEY_PASS, static_cast<unsigned long long>(slot.top_k), shared, [&](int i, Rank& rank, unsigned long long& weight) {
      weight = 1;
      return row.kept(i, row.logit(i), rank);
    });
    if (threadIdx.x == 0) row.last = last;
    __syncthreads();
  }
  auto mass_of_kept = [&]() {
    unsigned long long mass = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
      Rank rank;
      float x = row.logit(i);
      if (row.kept(i, x, rank)) mass += row.mass(x);
    }
    return static_cast<double>(block_sum(mass, shared.integers)) * (1.0 / UNIT);
  };
  if (slot.top_p < 1.0f) {
    bool all = slot.top_k == 0 && slot.depth == static_cast<double>(infinity());
    double factor = slot.factor < MAX_FACTOR ? slot.factor : MAX_FACTOR;
    double mass = all ? exponential_sum(count, row.greatest, static_cast<float>(factor), sums, shared, [&](int i) { return row.logit(i); })
                      : mass_of_kept();
    Rank last = select(count, KEY_PASS, target_of(slot.top_p, mass), shared, [&](int i, Rank& rank, unsigned long long& weight) {
      float x = row.logit(i);
      weight = row.mass(x);
      return row.kept(i, x, rank);
    });
    if (threadIdx.x == 0) row.last = last;
    __syncthreads();
  }
  if (slot.typical_p < 1.0f) {
    double mass = mass_of_kept(), expected = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
      Rank rank;
      float x = row.logit(i);
      if (!row.kept(i, x, rank)) continue;
      float weight = row.likelihood(x);
      if (weight != 0) expected += weight * row.score(x);
    }
    double sum = block_sum(expected, shared.doubles);
    if (threadIdx.x == 0) row.mean = sum / mass;
    __syncthreads();
    Rank last = select(count, 0, target_of(slot.typical_p, mass), shared, [&](int i, Rank& rank, unsigned long long& weight) {
      float x = row.logit(i);
      weight = row.mass(x);
      return row.kept_typical(i, x, rank);
    });
    if (threadIdx.x == 0) {
      row.typical_last = last;
      row.typical = true;
    }
    __syncthreads();
  }
}

__device__ __forceinline__ int choose(Row& row, int count, float* sums, Shared& shared) {
  const SamplingSlot& slot = *row.slot;
  if (slot.temperature == 0) return arg_max(count, shared, [&](int i) { return static_cast<double>(row.processed(i)); }).id;
  Best greatest = arg_max(count, shared, [&](int i) { return static_cast<double>(row.logit(i)); });
  if (greatest.score == -static_cast<double>(infinity())) return 0;
  if (threadIdx.x == 0) row.greatest = static_cast<float>(greatest.score);
  __syncthreads();
  filter(row, count, sums, shared);
  Best best = {-static_cast<double>(infinity()), greatest.id};
#pragma unroll 1
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    Rank rank;
    float x = row.logit(i);
    if (!row.kept(i, x, rank)) continue;
    if (row.typical && !(row.kept_typical(i, x, rank) && up_to(rank, row.typical_last))) continue;
    best.offer(row.score(x) + gumbel_noise(slot, i), i);
  }
  return block_best(best, shared).id;
}

// Writes the `top` most likely ids of a row, and returns the logarithm of the denominator of its softmax.
__device__ __forceinline__ double measure(const float* logits, int count, int top, const Samples& out, int at, float* sums, Shared& shared) {
  auto logit = [&](int i) { return cleaned(logits[i]); };
  float greatest = static_cast<float>(arg_max(count, shared, [&](int i) { return static_cast<double>(logit(i)); }).score);
  double normalizer = 0;
  if (greatest != -infinity()) normalizer = greatest + logarithm(exponential_sum(count, greatest, 1.0f, sums, shared, logit));
  Rank last = {0, 0, 0};
#pragma unroll 1
  for (int k = 0; k < top; k++) {
    // The first rank after the last one: the arg max among the later ones.
    Best next = arg_max(count, shared, [&](int i) {
      Rank rank = {0, key_of(logit(i)), static_cast<uint32_t>(i)};
      return k > 0 && up_to(rank, last) ? -static_cast<double>(infinity()) : static_cast<double>(logit(i));
    });
    bool exists = next.score != -static_cast<double>(infinity());
    last = {0, key_of(static_cast<float>(next.score)), static_cast<uint32_t>(next.id)};
    if (threadIdx.x == 0) {
      row_of<int32_t>(out.top_ids, at)[k] = exists ? next.id : -1;
      row_of<float>(out.top_logprobs, at)[k] = exists ? static_cast<float>(next.score - normalizer) : -infinity();
    }
  }
  return normalizer;
}

}  // namespace

// Grid: rows; whole warps; shared memory for a float per chunk of the vocabulary.
LS_KERNEL(sample, SampleParams) {
  __shared__ Shared shared;
  __shared__ Row row;
  LS_DYN_SMEM(float, sums);
  int at = blockIdx.x, count = p.sampler.vocabulary;
  if (p.slots[at] == -1) return;
  const SamplingSlot* slot = admitted(p.sampler, p.report, at, p.slots[at]);
  if (slot == nullptr) return;
  if (threadIdx.x == 0) {
    row.slot = slot;
    row.logits = row_of<const float>(p.logits, at);
    row.counts = slot->reads_counts ? p.sampler.counts + static_cast<int64_t>(p.slots[at]) * count : nullptr;
    row.mask = slot->restricted ? p.sampler.masks + static_cast<int64_t>(p.slots[at]) * ((count + 63) / 64) : nullptr;
    row.measured = slot->logprobs || slot->top_logprobs > 0;
    row.last = {0xffffffffu, 0xffffffffu, 0xffffffffu};
    row.typical = false;
  }
  __syncthreads();
  double normalizer = 0;
  if (row.measured) normalizer = measure(row.logits, count, slot->top_logprobs, p.out, at, sums, shared);
  int id = choose(row, count, sums, shared);
  if (threadIdx.x != 0) return;
  p.out.ids[at] = id;
  if (row.measured) p.out.logprobs[at] = static_cast<float>(cleaned(row.logits[id]) - normalizer);
}

// Writes what `sample` would write had it chosen the targets. Grid and threads as above.
LS_KERNEL(score, ScoreParams) {
  __shared__ Shared shared;
  LS_DYN_SMEM(float, sums);
  int at = blockIdx.x, id = p.targets[at], count = p.logits.columns;
  if (!in_range(p.report, at, id, count)) return;
  const float* logits = row_of<const float>(p.logits, at);
  double normalizer = measure(logits, count, static_cast<int>(p.top), p.out, at, sums, shared);
  if (threadIdx.x != 0) return;
  p.out.ids[at] = id;
  p.out.logprobs[at] = static_cast<float>(cleaned(logits[id]) - normalizer);
}
