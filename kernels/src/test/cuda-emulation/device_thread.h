// SPDX-License-Identifier: Apache-2.0
// What a kernel sees of the block that runs, and how one of its threads waits for others.
#pragma once

#include <stdint.h>

struct dim3 {
  unsigned x, y, z;
};

namespace ls_emulated {

constexpr int WARP = 32;

enum class State : uint8_t { READY, AT_BARRIER, AT_COLLECTIVE, ENDED };

enum class Collective : uint8_t { SYNC, SHUFFLE, BALLOT, ADD, MIN_SIGNED, MAX_SIGNED, MIN_UNSIGNED, MAX_UNSIGNED, AND, OR, XOR, MATCH };

struct Thread {
  void* stack_pointer;
  int stack;  // -1 for a thread that has not begun
  dim3 index;
  State state;
  Collective kind;
  int line;         // where it waits
  unsigned mask;    // the lanes of the collective
  int source;       // the lane whose value a shuffle returns; -1 for one outside the mask
  uint64_t value;   // what the thread brings
  uint64_t result;  // what it gets
};

// The block that runs; launches take turns.
struct Running {
  dim3 index, size, grid;
  Thread* current;
  unsigned char* shared;  // dynamic
};

extern __attribute__((visibility("hidden"))) Running running;

// The current thread waits for the lanes of `mask`, or for its block, and returns what they give it.
uint64_t collective(Collective kind, unsigned mask, uint64_t value, int source, int line);
uint64_t barrier(uint64_t value, int line);

// The lane of the current thread.
int lane();

inline unsigned char* dynamic_shared() { return running.shared; }

}  // namespace ls_emulated

#define threadIdx (ls_emulated::running.current->index)
#define blockIdx (ls_emulated::running.index)
#define blockDim (ls_emulated::running.size)
#define gridDim (ls_emulated::running.grid)
#define warpSize 32
