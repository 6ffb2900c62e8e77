// SPDX-License-Identifier: Apache-2.0
// libcuda.so.1 of the emulation: devices, errors, and what the other libraries use.
#include "machine.h"

using namespace ls_emulation;

int ls_emulation_enqueue(void* stream, Operation* operation) {
  std::shared_ptr<Operation> owned(operation);
  Lock lock(Device::lock());
  if (Device::sticky() != SUCCESS) return Device::sticky();
  return enqueue(static_cast<Stream*>(stream), owned);
}

bool ls_emulation_is_device_memory(const void* address, size_t bytes) {
  Lock lock(Device::lock());
  return current != nullptr && reachable(reinterpret_cast<uintptr_t>(address), bytes);
}

int ls_emulation_device() { return current == nullptr ? -1 : current->ordinal; }

bool ls_emulation_is_capturing(void* stream) {
  Lock lock(Device::lock());
  return machine().streams.count(static_cast<Stream*>(stream)) != 0 && static_cast<Stream*>(stream)->capture != nullptr;
}

// Replaces CUDA_EMULATION_DELAY for every device; -1 is never.
LS_EXPORT void ls_emulation_set_delay(long micros) {
  Lock lock(Device::lock());
  for (const auto& device : machine().devices) device->set_delay(micros);
}

// Lets streams go on that a fault holds.
LS_EXPORT void ls_emulation_release() { Hold::releases()++; }

// Gives this process what a new one would find after an error that nothing survives. No work may be in a stream.
LS_EXPORT void ls_emulation_renew() {
  Lock lock(Device::lock());
  for (const auto& device : machine().devices) device->renew(lock);
  machine().streams.clear();
  machine().captures.clear();
  Device::sticky() = SUCCESS;
}

// NVIDIA's own libraries look for it when they find a driver.
LS_EXPORT int cuGetExportTable(const void** table, const void*) { return *table = nullptr, NOT_FOUND; }

// Devices.

LS_EXPORT int cuInit(unsigned) {
  LS_CALL("cuInit");
  if (fault != SUCCESS) return fault;
  if (machine().device_count == 0) return NO_DEVICE;
  machine().initialized = true;
  return SUCCESS;
}

LS_EXPORT int cuDriverGetVersion(int* version) {
  LS_CALL("cuDriverGetVersion");
  return fault != SUCCESS ? fault : (*version = machine().version, SUCCESS);
}

LS_EXPORT int cuDeviceGetCount(int* count) {
  LS_CALL("cuDeviceGetCount");
  if (fault != SUCCESS) return fault;
  if (!machine().initialized) return NOT_INITIALIZED;
  *count = static_cast<int>(machine().device_count);
  return SUCCESS;
}

LS_EXPORT int cuDeviceGet(int* device, int ordinal) {
  LS_CALL("cuDeviceGet");
  if (fault != SUCCESS) return fault;
  if (!machine().initialized) return NOT_INITIALIZED;
  if (ordinal < 0 || static_cast<size_t>(ordinal) >= machine().device_count) return INVALID_DEVICE;
  *device = ordinal;
  return SUCCESS;
}

LS_EXPORT int cuDeviceGetName(char* name, int length, int device) {
  LS_CALL("cuDeviceGetName");
  if (fault != SUCCESS) return fault;
  snprintf(name, static_cast<size_t>(length), "Emulated GPU %d", device);
  return SUCCESS;
}

LS_EXPORT int cuDeviceGetUuid_v2(unsigned char uuid[16], int device) {
  LS_CALL("cuDeviceGetUuid_v2");
  if (fault != SUCCESS) return fault;
  memset(uuid, 0xee, 16);
  uuid[15] = static_cast<unsigned char>(device);
  return SUCCESS;
}

LS_EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int) {
  LS_CALL("cuDeviceTotalMem_v2");
  return fault != SUCCESS ? fault : (*bytes = machine().memory, SUCCESS);
}

LS_EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
  LS_CALL("cuDeviceGetAttribute");
  if (fault != SUCCESS) return fault;
  switch (attribute) {
    case 16: *value = 4; return SUCCESS;           // multiprocessors
    case 38: *value = 4 << 20; return SUCCESS;     // L2 bytes
    case 75: *value = machine().capability / 10; return SUCCESS;
    case 76: *value = machine().capability % 10; return SUCCESS;
    case 97: *value = 227 * 1024; return SUCCESS;  // shared memory of a block
    default: return INVALID_VALUE;
  }
}

LS_EXPORT int cuDevicePrimaryCtxRetain(void** context, int device) {
  LS_CALL("cuDevicePrimaryCtxRetain");
  if (fault != SUCCESS) return fault;
  Lock lock(Device::lock());
  Device* one = machine().devices[static_cast<size_t>(device)].get();
  one->retained++;
  *context = one;
  return SUCCESS;
}

// The last release frees the device's memory.
LS_EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
  LS_CALL("cuDevicePrimaryCtxRelease_v2");
  Lock lock(Device::lock());
  Device* one = machine().devices[static_cast<size_t>(device)].get();
  if (one->retained == 0) return INVALID_CONTEXT;
  if (--one->retained > 0) return fault;
  if (one->wait(lock, [one] { return one->idle(); }) != SUCCESS) return Device::sticky();
  Memory::all().free_all(one->ordinal);
  one->used = 0;
  return fault;
}

LS_EXPORT int cuCtxSetCurrent(void* context) {
  LS_CALL("cuCtxSetCurrent");
  if (fault != SUCCESS) return fault;
  current = static_cast<Device*>(context);
  return SUCCESS;
}

// Errors.

namespace {

struct Name {
  int code;
  const char* name;
  const char* text;
};

const Name NAMES[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
    {CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
    {CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
    {UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

int find_name(int code, const char* Name::*part, const char** out) {
  for (const Name& name : NAMES) {
    if (name.code == code) return *out = name.*part, SUCCESS;
  }
  *out = nullptr;
  return INVALID_VALUE;
}

}  // namespace

LS_EXPORT int cuGetErrorName(int code, const char** name) { return find_name(code, &Name::name, name); }

LS_EXPORT int cuGetErrorString(int code, const char** text) { return find_name(code, &Name::text, text); }
