// SPDX-License-Identifier: Apache-2.0
// The slots of a sampler: admission, release, and the last ids that the sequences of a step read and record.
#include "ls_sampling.cuh"

// `settings` has outputs and last set, from all ids. `prompt` and `outputs` are read where there are penalties.
#define SAMPLER_ADMIT_FIELDS(F)                                                                                     \
  F(SamplerState, sampler) F(SamplingSlot, settings) F(const int32_t*, prompt) F(const int32_t*, outputs) F(int32_t, prompt_count) \
      F(int32_t, output_count) F(int32_t, slot) F(int32_t, unused)
LS_STRUCT(SamplerAdmitParams, SAMPLER_ADMIT_FIELDS, 176)

#define SAMPLER_RELEASE_FIELDS(F) F(SamplerState, sampler) F(int64_t, slot)
LS_STRUCT(SamplerReleaseParams, SAMPLER_RELEASE_FIELDS, 32)

// ids [count]; slots [count], -1 for padding.
#define SAMPLER_IDS_FIELDS(F) F(SamplerState, sampler) F(const int32_t*, slots) F(int32_t*, ids) F(int64_t, count) F(Report, report)
LS_STRUCT(SamplerIdsParams, SAMPLER_IDS_FIELDS, 64)

// Grid: one block.
LS_KERNEL(sampler_admit, SamplerAdmitParams) {
  SamplingSlot* slot = p.sampler.slots + p.slot;
  if (threadIdx.x == 0) {
    *slot = p.settings;
    slot->admitted = 1;
  }
  if (!reads_counts(p.settings)) return;
  uint32_t* counts = p.sampler.counts + static_cast<int64_t>(p.slot) * p.sampler.vocabulary;
  for (int i = threadIdx.x; i < p.sampler.vocabulary; i += blockDim.x) counts[i] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < p.settings.masked_count; i += blockDim.x) atomicOr(counts + p.settings.masked[i], MASKED_OR_BIASED);
  for (int i = threadIdx.x; i < p.settings.bias_count; i += blockDim.x) atomicOr(counts + p.settings.biased_ids[i], MASKED_OR_BIASED);
  if (!p.settings.has_penalties) return;
  for (int i = threadIdx.x; i < p.prompt_count; i += blockDim.x) atomicOr(counts + p.prompt[i], IN_PROMPT);
  for (int i = threadIdx.x; i < p.output_count; i += blockDim.x) atomicAdd(counts + p.outputs[i], 1u);
}

// One thread.
LS_KERNEL(sampler_release, SamplerReleaseParams) { p.sampler.slots[p.slot].admitted = 0; }

// Replaces each id -1 - slot by the slot's last id. Grid: enough blocks for `count` threads.
LS_KERNEL(sampler_resolve, SamplerIdsParams) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count || p.ids[i] >= 0) return;
  const SamplingSlot* slot = admitted(p.sampler, p.report, i, -1 - p.ids[i]);
  if (slot != nullptr) p.ids[i] = slot->last;
}

// Makes each id the last of its slot, and counts it. Grid as above.
LS_KERNEL(sampler_record, SamplerIdsParams) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count || p.slots[i] == -1) return;
  SamplingSlot* slot = admitted(p.sampler, p.report, i, p.slots[i]);
  int id = p.ids[i];
  if (slot == nullptr || !in_range(p.report, i, id, p.sampler.vocabulary)) return;
  slot->last = id;
  slot->outputs++;
  if (slot->has_penalties) atomicAdd(p.sampler.counts + static_cast<int64_t>(p.slots[i]) * p.sampler.vocabulary + id, 1u);
}
