// SPDX-License-Identifier: Apache-2.0
// The devices of this process and what the driver's functions have made; how a function of the driver begins.
#pragma once

#define LS_LIBRARY "cuda"
#include "driver.h"

#include "calls.h"
#include "executor.h"
#include "operations.h"

namespace ls_emulation {

typedef std::unique_lock<std::mutex> Lock;

inline size_t setting(const char* name, size_t absent) {
  const char* text = getenv(name);
  return text == nullptr ? absent : strtoull(text, nullptr, 10);
}

// CUDA_EMULATION_DEVICES devices of CUDA_EMULATION_MEMORY bytes and compute capability
// CUDA_EMULATION_CAPABILITY (90 is 9.0); the driver serves CUDA CUDA_EMULATION_DRIVER (13000 is 13.0).
struct Machine {
  const size_t device_count = setting("CUDA_EMULATION_DEVICES", 4);
  const size_t memory = setting("CUDA_EMULATION_MEMORY", size_t{2} << 30);
  const int capability = static_cast<int>(setting("CUDA_EMULATION_CAPABILITY", 90));
  const int version = static_cast<int>(setting("CUDA_EMULATION_DRIVER", 13000));
  bool initialized = false;
  std::vector<std::unique_ptr<Device>> devices;
  std::set<Stream*> streams;
  std::map<Event*, std::shared_ptr<Event>> events;
  std::map<Image*, std::unique_ptr<Image>> images;
  std::map<Graph*, std::unique_ptr<Graph>> graphs;
  std::map<Graph*, std::unique_ptr<Graph>> executables;
  std::set<std::unique_ptr<Capture>> captures;
  // Pinned memory by its address.
  std::map<uintptr_t, size_t> pinned;

  Machine() {
    for (size_t i = 0; i < device_count; i++) devices.push_back(std::make_unique<Device>(static_cast<int>(i)));
  }

  bool is_pinned(const void* memory, size_t bytes) const {
    uintptr_t address = reinterpret_cast<uintptr_t>(memory);
    auto next = pinned.upper_bound(address);
    if (next == pinned.begin()) return false;
    --next;
    return address + bytes <= next->first + next->second;
  }
};

inline Machine& machine() {
  static Machine* one = new Machine;
  return *one;
}

inline thread_local Device* current = nullptr;

// Ends the captures that this thread began, for a call that is not allowed in one.
inline int refuse_in_capture() {
  int code = SUCCESS;
  for (const auto& capture : machine().captures) {
    if (capture->thread == std::this_thread::get_id()) {
      capture->valid = false;
      code = CAPTURE_UNSUPPORTED;
    }
  }
  return code;
}

// Ends the capture of a stream whose progress a thread, be it any, asks or waits for.
inline int refuse_captured(Stream* stream) {
  if (stream->capture == nullptr) return refuse_in_capture();
  stream->capture->valid = false;
  return CAPTURE_UNSUPPORTED;
}

inline int enqueue(Stream* stream, std::shared_ptr<Operation> operation) {
  if (machine().streams.count(stream) == 0) return INVALID_HANDLE;
  if (stream->capture != nullptr) {
    if (!stream->capture->valid) return CAPTURE_INVALIDATED;
    stream->capture->graph->operations.push_back(std::move(operation));
    stream->captured++;
    return SUCCESS;
  }
  Work work;
  work.operation = std::move(operation);
  stream->device->enqueue(stream, std::move(work));
  return SUCCESS;
}

inline bool on_device(uintptr_t address, size_t bytes) { return Memory::all().contains(current->ordinal, address, bytes); }

// A copy's or a fill's end in device memory or in pinned memory, which a device can reach as well.
inline bool reachable(uintptr_t address, size_t bytes) {
  return on_device(address, bytes) || machine().is_pinned(reinterpret_cast<void*>(address), bytes);
}

inline int failed(int code) {
  if (is_sticky(code)) current->break_down(code);
  return code;
}

}  // namespace ls_emulation

// Begins a function that works on the context: counts, fails if it shall, and takes the lock.
#define CONTEXT_CALL(function)                                              \
  LS_CALL(function);                                                        \
  Lock lock(Device::lock());                                                \
  if (Device::sticky() != SUCCESS) return Device::sticky();                 \
  if (current == nullptr) return INVALID_CONTEXT;                           \
  if (fault != SUCCESS) return failed(fault)

// Enqueues what a call asks for, or its failure, if that is one of the device.
#define ENQUEUE_CALL(function)                                                \
  LS_CALL(function);                                                          \
  Lock lock(Device::lock());                                                  \
  if (Device::sticky() != SUCCESS) return Device::sticky();                   \
  if (current == nullptr) return INVALID_CONTEXT;                             \
  Stream* on = static_cast<Stream*>(stream);                                  \
  if (is_sticky(fault)) return enqueue(on, std::make_shared<Failure>(fault)); \
  if (fault != SUCCESS && fault != HELD) return fault;                        \
  if (fault == HELD) {                                                        \
    if (int code = enqueue(on, std::make_shared<Hold>())) return code;        \
  }
