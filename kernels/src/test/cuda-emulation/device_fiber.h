// SPDX-License-Identifier: Apache-2.0
// Stacks, and the switch between them.
#pragma once

#include <sys/mman.h>

namespace ls_emulated {

constexpr int MAX_THREADS = 256;  // of a block, LS_MAX_THREADS

// Saves the registers that a callee keeps and the stack pointer, and continues on the other stack.
extern "C" __attribute__((visibility("hidden"))) void ls_emulated_switch(void** save, void* load);
asm(R"(
.text
.p2align 4
.type ls_emulated_switch, @function
ls_emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ls_emulated_switch, .-ls_emulated_switch
)");

// A stack for each thread of a block. Guard pages would need two mappings a stack, of which a process has few: a word
// at the end of each stack shows that it overflowed.
class Stacks {
 public:
  static constexpr int COUNT = MAX_THREADS;
  // Not a power of two, so that equal places of all stacks do not share lines of the CPU's cache.
  static constexpr size_t BYTES = 64 * 1024 + 192;

  // Returns whether there is memory for all stacks.
  bool reserve() {
    if (memory_ == nullptr) {
      void* mapped = mmap(nullptr, BYTES * COUNT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (mapped == MAP_FAILED) return false;
      memory_ = static_cast<char*>(mapped);
    }
    return true;
  }

  void free_all() {
    for (int i = 0; i < COUNT; i++) free_[i] = COUNT - 1 - i;
    available_ = COUNT;
  }

  // Returns the number of a free stack, the one that was given back last.
  int take() { return free_[--available_]; }

  void give_back(int index) { free_[available_++] = index; }

  // Returns the stack pointer of a fiber that will begin in `entry`.
  void* prepare(int index, void (*entry)()) {
    char* end = memory_ + BYTES * (index + 1);
    *canary(index) = CANARY;
    void** top = reinterpret_cast<void**>(end) - 8;
    for (int i = 0; i < 6; i++) top[i] = nullptr;
    top[6] = reinterpret_cast<void*>(entry);
    top[7] = nullptr;
    return top;
  }

  bool overflowed(int index) { return *canary(index) != CANARY; }

 private:
  static constexpr uint64_t CANARY = 0x5afe57ac4a11ed00ull;
  uint64_t* canary(int index) { return reinterpret_cast<uint64_t*>(memory_ + BYTES * index); }

  char* memory_ = nullptr;
  int free_[COUNT] = {};
  int available_ = 0;
};

}  // namespace ls_emulated
