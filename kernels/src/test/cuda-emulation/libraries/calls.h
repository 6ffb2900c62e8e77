// SPDX-License-Identifier: Apache-2.0
// Counts the calls of each function of a library, and lets chosen ones fail.
//
// CUDA_EMULATION_FAULTS is a list such as "cuLaunchKernel:3:700,*:20:1": the third call of the first fails with 700,
// the 20th call of all functions of one library with 1. A call whose code is "hang" does not return. A driver's call
// that enqueues work and fails with -1 does so, but what it enqueues never begins, see Hold. CUDA_EMULATION_CALLS names
// a folder that gets a file LIBRARY.PID of the counts; the counts in it are live.
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#define LS_EXPORT extern "C" __attribute__((visibility("default")))

#ifndef LS_LIBRARY
#error "LS_LIBRARY is the name of the library, such as cuda"
#endif

namespace ls_emulation {

struct Fault {
  std::string function;
  uint64_t call;
  int code;
};

// A function and how often it was called; 64 bytes, so that a file of them can be read by others.
struct Count {
  char function[56];
  std::atomic<uint64_t> calls;
};
static_assert(sizeof(Count) == 64, "readers know the size");

class Calls {
 public:
  static Calls& all() {
    static Calls* one = new Calls;
    return *one;
  }

  Count* of(const char* function) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < used_; i++) {
      if (strcmp(counts_[i].function, function) == 0) return &counts_[i];
    }
    if (used_ == MAX_FUNCTIONS) abort();
    Count* count = &counts_[used_++];
    strncpy(count->function, function, sizeof count->function - 1);
    return count;
  }

  // Counts a call; returns the code that it shall fail with, or 0. A call that shall hang does not return.
  int enter(Count* count) {
    int code = count_call(count);
    while (code == HANG) pause();
    return code;
  }

  uint64_t total() { return total_; }

  // The i-th function that was called, or null.
  const Count* at(size_t i) {
    std::lock_guard<std::mutex> lock(mutex_);
    return i < used_ ? &counts_[i] : nullptr;
  }

  // Replaces the faults; those of all functions count from now on.
  void fail(const std::string& list) {
    std::lock_guard<std::mutex> lock(mutex_);
    faults_.clear();
    total_ = 0;
    std::string rest = list;
    while (!rest.empty()) {
      size_t comma = rest.find(',');
      std::string one = rest.substr(0, comma);
      rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
      size_t first = one.find(':'), second = one.find(':', first + 1);
      if (first == std::string::npos || second == std::string::npos) {
        fprintf(stderr, "the fault %s is not FUNCTION:CALL:CODE\n", one.c_str());
        abort();
      }
      const char* code = one.c_str() + second + 1;
      faults_.push_back(
          {one.substr(0, first), strtoull(one.c_str() + first + 1, nullptr, 10), strcmp(code, "hang") == 0 ? HANG : atoi(code)});
    }
  }

 private:
  static constexpr size_t MAX_FUNCTIONS = 256;
  static constexpr int HANG = INT32_MIN;

  int count_call(Count* count) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint64_t call = ++count->calls, any = ++total_;
    for (const Fault& fault : faults_) {
      if (fault.function == "*" ? fault.call == any : fault.call == call && fault.function == count->function) return fault.code;
    }
    return 0;
  }

  Calls() {
    counts_ = map_counts();
    const char* text = getenv("CUDA_EMULATION_FAULTS");
    fail(text == nullptr ? "" : text);
  }

  static Count* map_counts() {
    size_t bytes = MAX_FUNCTIONS * sizeof(Count);
    int file = -1;
    if (const char* folder = getenv("CUDA_EMULATION_CALLS")) {
      std::string path = std::string(folder) + "/" LS_LIBRARY "." + std::to_string(getpid());
      file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) {
        fprintf(stderr, "CUDA_EMULATION_CALLS: cannot write %s\n", path.c_str());
        abort();
      }
    }
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    if (mapped == MAP_FAILED) abort();
    return static_cast<Count*>(mapped);
  }

  std::mutex mutex_;
  Count* counts_;
  size_t used_ = 0;
  std::atomic<uint64_t> total_{0};
  std::vector<Fault> faults_;
};

}  // namespace ls_emulation

// Declares `fault`: the code that this call of `function` shall fail with, or 0.
#define LS_CALL(function)                                                                       \
  static ls_emulation::Count* const ls_count = ls_emulation::Calls::all().of(function);         \
  const int fault = ls_emulation::Calls::all().enter(ls_count)

// How often a function of this library was called; all of them for "*".
LS_EXPORT inline __attribute__((used)) uint64_t ls_emulation_calls(const char* function) {
  ls_emulation::Calls& calls = ls_emulation::Calls::all();
  return strcmp(function, "*") == 0 ? calls.total() : calls.of(function)->calls.load();
}

// The name of the i-th function of this library that was called, or null.
LS_EXPORT inline __attribute__((used)) const char* ls_emulation_function(uint64_t i) {
  const ls_emulation::Count* count = ls_emulation::Calls::all().at(i);
  return count == nullptr ? nullptr : count->function;
}

// Replaces what CUDA_EMULATION_FAULTS says for this library. The calls of a function count from the process's start.
LS_EXPORT inline __attribute__((used)) void ls_emulation_set_faults(const char* list) { ls_emulation::Calls::all().fail(list); }
