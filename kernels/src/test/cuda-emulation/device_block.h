// SPDX-License-Identifier: Apache-2.0
// The threads of one block, and the order in which they run.
#pragma once

#include <stdarg.h>

#include "device_fiber.h"
#include "device_thread.h"

namespace ls_emulated {

constexpr int POISON = 0xff;  // NaN as a float, -1 as an integer

// The order of a number of items, chosen by a seed.
class Order {
 public:
  void begin(unsigned long seed) {
    seed_ = seed;
    state_ = seed * 0x9e3779b97f4a7c15ull;
  }

  void fill(unsigned* items, unsigned count) {
    for (unsigned i = 0; i < count; i++) items[i] = seed_ == 1 ? count - 1 - i : i;
    if (seed_ < 2) return;
    for (unsigned i = count; i > 1; i--) {
      unsigned other = static_cast<unsigned>((next() >> 32) * i >> 32);
      unsigned item = items[i - 1];
      items[i - 1] = items[other];
      items[other] = item;
    }
  }

 private:
  // SplitMix64.
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
  }

  unsigned long seed_ = 0;
  uint64_t state_ = 0;
};

class Block {
 public:
  char error[512];

  // Runs every thread to its end. Returns false with `error` set where threads wait for ever.
  bool run(void (*entry)(), Stacks& stacks, Order& order) {
    prepare(entry, stacks);
    unsigned warps = (count_ + WARP - 1) / WARP;
    unsigned sequence[MAX_THREADS / WARP], lanes[WARP];
    while (true) {
      order.fill(sequence, warps);
      for (unsigned i = 0; i < warps; i++) {
        order.fill(lanes, WARP);
        if (!run_warp(sequence[i], lanes)) return false;
      }
      if (ended_ == count_) return true;
      if (!pass_barrier()) return fail_waiting(warps);
    }
  }

  // Called by the current thread: waits until the scheduler lets it go on.
  uint64_t wait(State state, int line) {
    running.current->state = state;
    running.current->line = line;
    ls_emulated_switch(&running.current->stack_pointer, scheduler_);
    return running.current->result;
  }

  uint64_t collective(Collective kind, unsigned mask, uint64_t value, int source, int line) {
    collectives_ = true;
    running.current->kind = kind;
    running.current->mask = mask;
    running.current->value = value;
    running.current->source = source;
    return wait(State::AT_COLLECTIVE, line);
  }

  uint64_t barrier(uint64_t value, int line) {
    running.current->value = value;
    return wait(State::AT_BARRIER, line);
  }

  int lane() const { return static_cast<int>((running.current - threads_) % WARP); }

  bool fail(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, sizeof error, format, arguments);
    va_end(arguments);
    return false;
  }

 private:
  Thread threads_[MAX_THREADS];
  unsigned count_;
  unsigned ended_;
  bool collectives_;  // whether a lane has come to one
  void* scheduler_;
  void (*entry_)();
  Stacks* stacks_;

  void prepare(void (*entry)(), Stacks& stacks) {
    entry_ = entry;
    stacks_ = &stacks;
    stacks.free_all();
    const dim3& size = running.size;
    count_ = size.x * size.y * size.z;
    ended_ = 0;
    unsigned at = 0;
    for (unsigned z = 0; z < size.z; z++) {
      for (unsigned y = 0; y < size.y; y++) {
        for (unsigned x = 0; x < size.x; x++) {
          Thread& thread = threads_[at++];
          thread.index = {x, y, z};
          thread.state = State::READY;
          thread.stack = -1;
        }
      }
    }
  }

  // Runs a warp until all its lanes wait or have ended; returns false with `error` set where a stack overflowed.
  bool run_warp(unsigned warp, const unsigned* lanes) {
    do {
      collectives_ = false;
      for (int i = 0; i < WARP; i++) {
        unsigned at = warp * WARP + lanes[i];
        if (at < count_ && threads_[at].state == State::READY && !resume(threads_[at])) return false;
      }
    } while (collectives_ && pass_collectives(warp));
    return true;
  }

  // A thread gets a stack when it begins and leaves it when it ends, so that threads that wait for nobody share one,
  // which stays in the CPU's cache.
  bool resume(Thread& thread) {
    if (thread.stack < 0) {
      thread.stack = stacks_->take();
      thread.stack_pointer = stacks_->prepare(thread.stack, entry_);
    }
    running.current = &thread;
    ls_emulated_switch(&scheduler_, thread.stack_pointer);
    if (thread.state != State::ENDED) return true;
    ended_++;
    if (stacks_->overflowed(thread.stack)) {
      const dim3& index = running.index;
      return fail("block (%u, %u, %u): the stack of thread %u overflowed", index.x, index.y, index.z, static_cast<unsigned>(&thread - threads_));
    }
    stacks_->give_back(thread.stack);
    return true;
  }

  // Lets lanes go on whose collective is complete; returns whether there were any.
  bool pass_collectives(unsigned warp) {
    bool passed = false;
    for (int lane = 0; lane < WARP; lane++) {
      unsigned at = warp * WARP + lane;
      if (at >= count_ || threads_[at].state != State::AT_COLLECTIVE || !complete(warp, threads_[at])) continue;
      finish(warp, threads_[at].mask);
      passed = true;
    }
    return passed;
  }

  // Lanes that the block does not have are ignored. A lane that has ended never arrives.
  bool complete(unsigned warp, const Thread& first) {
    if (!(first.mask >> ((&first - threads_) % WARP) & 1)) return false;
    for (int lane = 0; lane < WARP; lane++) {
      unsigned at = warp * WARP + lane;
      if (at >= count_ || !(first.mask >> lane & 1)) continue;
      const Thread& other = threads_[at];
      if (other.state != State::AT_COLLECTIVE || other.kind != first.kind || other.mask != first.mask || other.line != first.line) return false;
    }
    return true;
  }

  void finish(unsigned warp, unsigned mask) {
    Thread* lanes = threads_ + warp * WARP;
    unsigned existing = 0;
    for (int lane = 0; lane < WARP; lane++) {
      if ((mask >> lane & 1) && warp * WARP + lane < count_) existing |= 1u << lane;
    }
    Collective kind = lanes[__builtin_ctz(existing)].kind;
    bool own = kind == Collective::SHUFFLE || kind == Collective::MATCH;
    uint64_t joined = own ? 0 : join_all(lanes, existing, kind);
    for (unsigned rest = existing; rest != 0; rest &= rest - 1) {
      Thread& lane = lanes[__builtin_ctz(rest)];
      lane.result = own ? result(lanes, existing, lane) : joined;
    }
    for (unsigned rest = existing; rest != 0; rest &= rest - 1) lanes[__builtin_ctz(rest)].state = State::READY;
  }

  // The result of a collective that gives each lane another one.
  static uint64_t result(const Thread* lanes, unsigned existing, const Thread& own) {
    if (own.kind == Collective::SHUFFLE) {
      bool present = own.source >= 0 && (existing >> own.source & 1);
      return present ? lanes[own.source].value : ~0ull;
    }
    uint32_t same = 0;
    for (unsigned rest = existing; rest != 0; rest &= rest - 1) {
      int lane = __builtin_ctz(rest);
      if (lanes[lane].value == own.value) same |= 1u << lane;
    }
    return same;
  }

  static uint32_t join_all(const Thread* lanes, unsigned existing, Collective kind) {
    bool begun = false;
    uint32_t sum = 0;
    for (unsigned rest = existing; rest != 0; rest &= rest - 1) {
      int lane = __builtin_ctz(rest);
      uint32_t value = static_cast<uint32_t>(lanes[lane].value);
      if (kind == Collective::BALLOT) value = value ? 1u << lane : 0;
      sum = begun ? join(kind, sum, value) : value;
      begun = true;
    }
    return sum;
  }

  static uint32_t join(Collective kind, uint32_t a, uint32_t b) {
    switch (kind) {
      case Collective::ADD: return a + b;
      case Collective::MIN_SIGNED: return static_cast<int32_t>(a) < static_cast<int32_t>(b) ? a : b;
      case Collective::MAX_SIGNED: return static_cast<int32_t>(a) > static_cast<int32_t>(b) ? a : b;
      case Collective::MIN_UNSIGNED: return a < b ? a : b;
      case Collective::MAX_UNSIGNED: return a > b ? a : b;
      case Collective::AND: return a & b;
      case Collective::XOR: return a ^ b;
      default: return a | b;
    }
  }

  // Lets all threads go on if all wait at the same barrier; each gets the number of those that brought a value.
  bool pass_barrier() {
    uint64_t sum = 0;
    for (unsigned i = 0; i < count_; i++) {
      if (threads_[i].state != State::AT_BARRIER || threads_[i].line != threads_[0].line) return false;
      sum += threads_[i].value != 0;
    }
    for (unsigned i = 0; i < count_; i++) {
      threads_[i].result = sum;
      threads_[i].state = State::READY;
    }
    return true;
  }

  // Names the first warp with lanes that do not wait for the same thing as thread 0 of those that wait.
  bool fail_waiting(unsigned warps) {
    const dim3& index = running.index;
    const Thread* first = threads_;
    while (first->state == State::ENDED) first++;
    unsigned other = 0;
    while (other < count_ && threads_[other].state == first->state && threads_[other].line == first->line) other++;
    if (other == count_) {
      return fail("block (%u, %u, %u): all threads wait in line %d, with masks that no lanes complete", index.x, index.y, index.z, first->line);
    }
    unsigned waiting = static_cast<unsigned>(first - threads_);
    char what[64];
    if (threads_[other].state == State::ENDED) {
      snprintf(what, sizeof what, "has ended");
    } else {
      snprintf(what, sizeof what, "waits at a %s in line %d", name(threads_[other].state), threads_[other].line);
    }
    return fail("block (%u, %u, %u) of %u warps: a divergent %s: lane %u of warp %u waits in line %d, lane %u of warp %u %s", index.x,
                index.y, index.z, warps, name(first->state), waiting % WARP, waiting / WARP, first->line, other % WARP, other / WARP, what);
  }

  static const char* name(State state) { return state == State::AT_BARRIER ? "barrier" : "collective of a warp"; }
};

inline Block& block() {
  static Block one;
  return one;
}

}  // namespace ls_emulated
