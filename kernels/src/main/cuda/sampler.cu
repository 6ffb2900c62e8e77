// SPDX-License-Identifier: Apache-2.0
// The slots of a sampler: admission, release, and the last ids that the sequences of a step read and record.
#include "ls_sampling.cuh"

// settings: with outputs and last, as from all ids.
#define SAMPLER_ADMIT_FIELDS(F) F(SamplerState, sampler) F(SamplingSlot, settings) F(int64_t, slot)
LS_STRUCT(SamplerAdmitParams, SAMPLER_ADMIT_FIELDS, 152)

#define SAMPLER_RELEASE_FIELDS(F) F(SamplerState, sampler) F(int64_t, slot)
LS_STRUCT(SamplerReleaseParams, SAMPLER_RELEASE_FIELDS, 40)

#define SAMPLER_ALLOW_FIELDS(F) F(SamplerState, sampler) F(int64_t, slot)
LS_STRUCT(SamplerAllowParams, SAMPLER_ALLOW_FIELDS, 40)

// ids [count].
#define SAMPLER_APPEND_FIELDS(F) F(SamplerState, sampler) F(int64_t, slot) F(const int32_t*, ids) F(int64_t, count)
LS_STRUCT(SamplerAppendParams, SAMPLER_APPEND_FIELDS, 56)

// counts: the row of a slot. flag: of the ids, or 0 to count them as generated.
#define SAMPLER_COUNT_FIELDS(F) F(uint32_t*, counts) F(const int32_t*, ids) F(int32_t, count) F(uint32_t, flag)
LS_STRUCT(SamplerCountParams, SAMPLER_COUNT_FIELDS, 24)

// ids [count].
#define SAMPLER_RESOLVE_FIELDS(F) F(SamplerState, sampler) F(int32_t*, ids) F(int64_t, count) F(Report, report)
LS_STRUCT(SamplerResolveParams, SAMPLER_RESOLVE_FIELDS, 64)

// slots [count], -1 for padding; ids [count].
#define SAMPLER_RECORD_FIELDS(F) \
  F(SamplerState, sampler) F(const int32_t*, slots) F(const int32_t*, ids) F(int64_t, count) F(Report, slot_report) F(Report, id_report)
LS_STRUCT(SamplerRecordParams, SAMPLER_RECORD_FIELDS, 88)

// The host has filled the slot's counts before. One thread.
LS_KERNEL(sampler_admit, SamplerAdmitParams) { p.sampler.slots[p.slot] = p.settings; }

// One thread.
LS_KERNEL(sampler_release, SamplerReleaseParams) { p.sampler.slots[p.slot].admitted = 0; }

// The slot's row of masks has been copied before. One thread.
LS_KERNEL(sampler_allow, SamplerAllowParams) { p.sampler.slots[p.slot].restricted = 1; }

// Makes the last id that of its slot, and counts all. Grid: enough blocks for `count` threads.
LS_KERNEL(sampler_append, SamplerAppendParams) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count) return;
  SamplingSlot* slot = p.sampler.slots + p.slot;
  if (slot->has_penalties) atomicAdd(p.sampler.counts + p.slot * p.sampler.vocabulary + p.ids[i], 1u);
  if (i != p.count - 1) return;
  slot->last = p.ids[i];
  slot->outputs += static_cast<int>(p.count);
}

// Grid: enough blocks for `count` threads.
LS_KERNEL(sampler_count, SamplerCountParams) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= p.count) return;
  if (p.flag != 0) {
    atomicOr(p.counts + p.ids[i], p.flag);
  } else {
    atomicAdd(p.counts + p.ids[i], 1u);
  }
}

// Replaces each id -1 - slot by the slot's last id. Grid as above.
LS_KERNEL(sampler_resolve, SamplerResolveParams) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count || p.ids[i] >= 0) return;
  const SamplingSlot* slot = admitted(p.sampler, p.report, i, -1 - p.ids[i]);
  if (slot != nullptr) p.ids[i] = slot->last;
}

// Makes each id the last of its slot, and counts it. Grid as above.
LS_KERNEL(sampler_record, SamplerRecordParams) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.count || p.slots[i] == -1) return;
  SamplingSlot* slot = admitted(p.sampler, p.slot_report, i, p.slots[i]);
  int id = p.ids[i];
  if (slot == nullptr || !in_range(p.id_report, i, id, p.sampler.vocabulary)) return;
  slot->last = id;
  slot->outputs++;
  if (slot->has_penalties) atomicAdd(p.sampler.counts + static_cast<int64_t>(p.slots[i]) * p.sampler.vocabulary + id, 1u);
}
