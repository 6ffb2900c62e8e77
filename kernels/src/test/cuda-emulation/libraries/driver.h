// SPDX-License-Identifier: Apache-2.0
// What the libraries of the emulation share: the driver's types and numbers, and how a library enqueues work.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <vector>

namespace ls_emulation {

// The driver's error numbers that the emulation returns.
enum {
  // No error of the driver: a fault that holds the stream.
  HELD = -1,
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_HANDLE = 400,
  ILLEGAL_STATE = 401,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_TIMEOUT = 702,
  MISALIGNED_ADDRESS = 716,
  LAUNCH_FAILED = 719,
  NOT_SUPPORTED = 801,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_UNMATCHED = 903,
  CAPTURE_UNJOINED = 904,
  CAPTURE_ISOLATION = 905,
  CAPTURED_EVENT = 907,
  CAPTURE_WRONG_THREAD = 908,
  UNKNOWN = 999,
};

inline bool is_sticky(int code) {
  return code == 214 || code == 220 || code == 226 || code == 709 || code == UNKNOWN ||
         (code >= 700 && code <= 719 && code != 701 && code != 704 && code != 705 && code != 708 && code != 712 && code != 713);
}

// One execution of an operation that may have to wait for others.
class Run {
 public:
  virtual ~Run() = default;
  // Goes on; returns whether it is done.
  virtual bool step() = 0;
  // An error of the driver once it is done.
  virtual int error() { return SUCCESS; }
};

// Work of a stream, as it was when it was enqueued. A graph runs the same one many times.
class Operation {
 public:
  virtual ~Operation() = default;
  // Does all of it and returns an error of the driver, unless start() returns a run.
  virtual int execute() { return SUCCESS; }
  virtual std::unique_ptr<Run> start() { return nullptr; }
};

}  // namespace ls_emulation

// Exported by the emulated driver for the other libraries.
extern "C" {
// Appends to a stream, or to the graph that it captures; returns an error of the driver. The operation is taken over.
__attribute__((visibility("default"))) int ls_emulation_enqueue(void* stream, ls_emulation::Operation* operation);
// Whether [address, address + bytes) lies in one allocation of the device that the calling thread is attached to.
__attribute__((visibility("default"))) bool ls_emulation_is_device_memory(const void* address, size_t bytes);
// The number of the device that the calling thread is attached to, or -1.
__attribute__((visibility("default"))) int ls_emulation_device();
// Whether the stream captures.
__attribute__((visibility("default"))) bool ls_emulation_is_capturing(void* stream);
}
