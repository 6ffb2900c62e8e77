// SPDX-License-Identifier: Apache-2.0
// libcuda.so.1 of the emulation: memory of devices, pinned memory, copies.
#include "machine.h"

using namespace ls_emulation;

// Memory.

LS_EXPORT int cuMemGetInfo_v2(size_t* free, size_t* total) {
  CONTEXT_CALL("cuMemGetInfo_v2");
  *total = machine().memory;
  *free = machine().memory - current->used;
  return SUCCESS;
}

LS_EXPORT int cuMemAlloc_v2(uintptr_t* address, size_t bytes) {
  CONTEXT_CALL("cuMemAlloc_v2");
  if (bytes == 0) return INVALID_VALUE;
  if (int code = refuse_in_capture()) return code;
  size_t counted = Memory::round(bytes, Memory::ALIGNMENT);
  if (counted > machine().memory - current->used) return OUT_OF_MEMORY;
  *address = Memory::all().allocate(current->ordinal, bytes);
  if (*address == 0) return OUT_OF_MEMORY;
  current->used += counted;
  return SUCCESS;
}

LS_EXPORT int cuMemFree_v2(uintptr_t address) {
  CONTEXT_CALL("cuMemFree_v2");
  if (address == 0) return SUCCESS;
  if (int code = refuse_in_capture()) return code;
  if (int code = current->wait(lock, [] { return current->idle(); })) return code;
  size_t bytes = Memory::all().free(current->ordinal, address);
  if (bytes == 0) return INVALID_VALUE;
  current->used -= Memory::round(bytes, Memory::ALIGNMENT);
  return SUCCESS;
}

LS_EXPORT int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  CONTEXT_CALL("cuMemHostAlloc");
  if (bytes == 0) return INVALID_VALUE;
  if (int code = refuse_in_capture()) return code;
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return OUT_OF_MEMORY;
  machine().pinned[reinterpret_cast<uintptr_t>(mapped)] = bytes;
  *address = mapped;
  return SUCCESS;
}

LS_EXPORT int cuMemHostGetDevicePointer_v2(uintptr_t* device, void* host, unsigned) {
  CONTEXT_CALL("cuMemHostGetDevicePointer_v2");
  if (!machine().is_pinned(host, 1)) return INVALID_VALUE;
  *device = reinterpret_cast<uintptr_t>(host);
  return SUCCESS;
}

LS_EXPORT int cuMemFreeHost(void* address) {
  CONTEXT_CALL("cuMemFreeHost");
  if (int code = refuse_in_capture()) return code;
  auto found = machine().pinned.find(reinterpret_cast<uintptr_t>(address));
  if (found == machine().pinned.end()) return INVALID_VALUE;
  if (int code = current->wait(lock, [] { return current->idle(); })) return code;
  munmap(address, found->second);
  machine().pinned.erase(found);
  return SUCCESS;
}

// Copies.

LS_EXPORT int cuMemcpyHtoDAsync_v2(uintptr_t to, const void* from, size_t bytes, void* stream) {
  ENQUEUE_CALL("cuMemcpyHtoDAsync_v2");
  if (bytes == 0) return SUCCESS;
  if (!reachable(to, bytes)) return INVALID_VALUE;
  void* target = reinterpret_cast<void*>(to);
  if (machine().is_pinned(from, bytes)) return enqueue(on, std::make_shared<Copy>(target, from, bytes));
  if (machine().streams.count(on) != 0 && on->capture != nullptr) return on->capture->valid = false, CAPTURE_UNSUPPORTED;
  return enqueue(on, std::make_shared<CopyOfHost>(target, from, bytes));
}

LS_EXPORT int cuMemcpyDtoHAsync_v2(void* to, uintptr_t from, size_t bytes, void* stream) {
  ENQUEUE_CALL("cuMemcpyDtoHAsync_v2");
  if (bytes == 0) return SUCCESS;
  if (!reachable(from, bytes)) return INVALID_VALUE;
  bool pinned = machine().is_pinned(to, bytes);
  if (!pinned && machine().streams.count(on) != 0 && on->capture != nullptr) return on->capture->valid = false, CAPTURE_UNSUPPORTED;
  int code = enqueue(on, std::make_shared<Copy>(to, reinterpret_cast<void*>(from), bytes));
  if (code != SUCCESS || pinned) return code;
  return on->device->wait(lock, [on] { return on->idle(); });
}

LS_EXPORT int cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void* stream) {
  ENQUEUE_CALL("cuMemcpyDtoDAsync_v2");
  if (bytes == 0) return SUCCESS;
  if (!reachable(to, bytes) || !reachable(from, bytes)) return INVALID_VALUE;
  return enqueue(on, std::make_shared<Copy>(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes));
}

LS_EXPORT int cuMemsetD8Async(uintptr_t to, unsigned char value, size_t bytes, void* stream) {
  ENQUEUE_CALL("cuMemsetD8Async");
  if (bytes == 0) return SUCCESS;
  if (!reachable(to, bytes)) return INVALID_VALUE;
  return enqueue(on, std::make_shared<Fill>(reinterpret_cast<void*>(to), value, bytes));
}
