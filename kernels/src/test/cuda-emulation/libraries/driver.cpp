// SPDX-License-Identifier: Apache-2.0
// libcuda.so.1 of the emulation: the functions of the driver that Lockstep calls.
#define LS_LIBRARY "cuda"
#include "driver.h"

#include "calls.h"
#include "executor.h"
#include "operations.h"

using namespace ls_emulation;

namespace {

typedef std::unique_lock<std::mutex> Lock;

size_t setting(const char* name, size_t absent) {
  const char* text = getenv(name);
  return text == nullptr ? absent : strtoull(text, nullptr, 10);
}

// LOCKSTEP_EMULATION_DEVICES devices of LOCKSTEP_EMULATION_MEMORY bytes and compute capability
// LOCKSTEP_EMULATION_CAPABILITY (90 is 9.0); the driver serves CUDA LOCKSTEP_EMULATION_DRIVER (13000 is 13.0).
struct Machine {
  const size_t device_count = setting("LOCKSTEP_EMULATION_DEVICES", 4);
  const size_t memory = setting("LOCKSTEP_EMULATION_MEMORY", size_t{2} << 30);
  const int capability = static_cast<int>(setting("LOCKSTEP_EMULATION_CAPABILITY", 90));
  const int version = static_cast<int>(setting("LOCKSTEP_EMULATION_DRIVER", 13000));
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

Machine& machine() {
  static Machine* one = new Machine;
  return *one;
}

thread_local Device* current = nullptr;

// Ends the captures that this thread began, for a call that is not allowed in one.
int refuse_in_capture() {
  int code = SUCCESS;
  for (const auto& capture : machine().captures) {
    if (capture->thread == std::this_thread::get_id()) {
      capture->valid = false;
      code = CAPTURE_UNSUPPORTED;
    }
  }
  return code;
}

int enqueue(Stream* stream, std::shared_ptr<Operation> operation) {
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

bool on_device(uintptr_t address, size_t bytes) { return Memory::all().contains(current->ordinal, address, bytes); }

// A copy's or a fill's end in device memory or in pinned memory, which a device can reach as well.
bool reachable(uintptr_t address, size_t bytes) {
  return on_device(address, bytes) || machine().is_pinned(reinterpret_cast<void*>(address), bytes);
}

// Whether a word of a kernel's parameters is an address of host memory that no device reaches. A number that happens to
// look like one would have to name a page that this process has mapped.
bool is_host_address(uint64_t word) {
  constexpr uint64_t PAGE = 4096, LOWEST = uint64_t{1} << 40, HIGHEST = uint64_t{1} << 47;
  if (word < LOWEST || word >= HIGHEST) return false;
  void* address = reinterpret_cast<void*>(word);
  if (Memory::all().is_near(word) || machine().is_pinned(address, 0)) return false;
  unsigned char resident;
  return mincore(reinterpret_cast<void*>(word / PAGE * PAGE), 1, &resident) == 0;
}

}  // namespace

// Begins a function that works on the context: counts, fails if it shall, and takes the lock.
#define CONTEXT_CALL(function)                                              \
  LS_CALL(function);                                                        \
  Lock lock(Device::lock());                                                \
  if (Device::sticky() != SUCCESS) return Device::sticky();                 \
  if (current == nullptr) return INVALID_CONTEXT;                           \
  if (fault != SUCCESS) return failed(fault)

namespace {

int failed(int code) {
  if (is_sticky(code)) current->break_down(code);
  return code;
}

}  // namespace

// For the other libraries.

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

// Replaces LOCKSTEP_EMULATION_DELAY for every device; -1 is never.
LS_EXPORT void ls_emulation_set_delay(long micros) {
  Lock lock(Device::lock());
  for (const auto& device : machine().devices) device->set_delay(micros);
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

// Enqueues what a call asks for, or its failure, if that is one of the device.
#define ENQUEUE_CALL(function)                                                \
  LS_CALL(function);                                                          \
  Lock lock(Device::lock());                                                  \
  if (Device::sticky() != SUCCESS) return Device::sticky();                   \
  if (current == nullptr) return INVALID_CONTEXT;                             \
  Stream* on = static_cast<Stream*>(stream);                                  \
  if (is_sticky(fault)) return enqueue(on, std::make_shared<Failure>(fault)); \
  if (fault != SUCCESS) return fault

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

// Streams.

LS_EXPORT int cuStreamCreateWithPriority(void** stream, unsigned, int) {
  CONTEXT_CALL("cuStreamCreateWithPriority");
  Stream* made = new Stream;
  made->device = current;
  machine().streams.insert(made);
  *stream = made;
  return SUCCESS;
}

LS_EXPORT int cuStreamDestroy_v2(void* stream) {
  CONTEXT_CALL("cuStreamDestroy_v2");
  Stream* on = static_cast<Stream*>(stream);
  if (machine().streams.count(on) == 0) return INVALID_HANDLE;
  if (int code = on->device->wait(lock, [on] { return on->idle(); })) return code;
  on->device->forget(on);
  machine().streams.erase(on);
  delete on;
  return SUCCESS;
}

LS_EXPORT int cuStreamSynchronize(void* stream) {
  CONTEXT_CALL("cuStreamSynchronize");
  Stream* on = static_cast<Stream*>(stream);
  if (machine().streams.count(on) == 0) return INVALID_HANDLE;
  if (int code = refuse_in_capture()) return code;
  return on->device->wait(lock, [on] { return on->idle(); });
}

LS_EXPORT int cuStreamQuery(void* stream) {
  CONTEXT_CALL("cuStreamQuery");
  Stream* on = static_cast<Stream*>(stream);
  if (machine().streams.count(on) == 0) return INVALID_HANDLE;
  if (int code = refuse_in_capture()) return code;
  if (on->idle()) return SUCCESS;
  on->device->ask();
  return NOT_READY;
}

// Events.

LS_EXPORT int cuEventCreate(void** event, unsigned flags) {
  CONTEXT_CALL("cuEventCreate");
  auto made = std::make_shared<Event>();
  made->device = current;
  made->timed = (flags & 2) == 0;
  *event = made.get();
  machine().events[made.get()] = made;
  return SUCCESS;
}

LS_EXPORT int cuEventDestroy_v2(void* event) {
  CONTEXT_CALL("cuEventDestroy_v2");
  return machine().events.erase(static_cast<Event*>(event)) == 0 ? INVALID_HANDLE : SUCCESS;
}

LS_EXPORT int cuEventRecord(void* event, void* stream) {
  ENQUEUE_CALL("cuEventRecord");
  auto found = machine().events.find(static_cast<Event*>(event));
  if (found == machine().events.end() || machine().streams.count(on) == 0) return INVALID_HANDLE;
  Event* at = found->first;
  at->capture = on->capture;
  at->captured_in = on;
  at->captured_at = on->captured;
  if (on->capture != nullptr) return on->capture->valid ? SUCCESS : CAPTURE_INVALIDATED;
  Work work;
  work.record = found->second;
  work.version = ++at->recorded;
  on->device->enqueue(on, std::move(work));
  return SUCCESS;
}

LS_EXPORT int cuEventQuery(void* event) {
  CONTEXT_CALL("cuEventQuery");
  auto found = machine().events.find(static_cast<Event*>(event));
  if (found == machine().events.end()) return INVALID_HANDLE;
  if (found->first->capture != nullptr) return CAPTURED_EVENT;
  if (int code = refuse_in_capture()) return code;
  if (found->first->reached == found->first->recorded) return SUCCESS;
  found->first->device->ask();
  return NOT_READY;
}

LS_EXPORT int cuEventSynchronize(void* event) {
  CONTEXT_CALL("cuEventSynchronize");
  auto found = machine().events.find(static_cast<Event*>(event));
  if (found == machine().events.end()) return INVALID_HANDLE;
  if (found->first->capture != nullptr) return CAPTURED_EVENT;
  if (int code = refuse_in_capture()) return code;
  std::shared_ptr<Event> held = found->second;
  uint64_t version = held->recorded;
  return held->device->wait(lock, [&] { return held->reached >= version; });
}

LS_EXPORT int cuEventElapsedTime_v2(float* millis, void* from, void* to) {
  CONTEXT_CALL("cuEventElapsedTime_v2");
  auto first = machine().events.find(static_cast<Event*>(from)), second = machine().events.find(static_cast<Event*>(to));
  if (first == machine().events.end() || second == machine().events.end()) return INVALID_HANDLE;
  const Event &a = *first->second, &b = *second->second;
  if (!a.timed || !b.timed || a.recorded == 0 || b.recorded == 0) return INVALID_HANDLE;
  if (a.reached != a.recorded || b.reached != b.recorded) return NOT_READY;
  *millis = std::chrono::duration<float, std::milli>(b.when - a.when).count();
  return SUCCESS;
}

LS_EXPORT int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  ENQUEUE_CALL("cuStreamWaitEvent");
  auto found = machine().events.find(static_cast<Event*>(event));
  if (found == machine().events.end() || machine().streams.count(on) == 0) return INVALID_HANDLE;
  Event* at = found->first;
  if (at->capture != nullptr) {
    if (on->capture == nullptr) {
      // The stream joins the capture.
      on->capture = at->capture;
      on->captured = 0;
      on->capture->joined[on] = 0;
    } else if (on->capture != at->capture) {
      return CAPTURE_ISOLATION;
    }
    if (on == on->capture->origin && at->captured_in != on) on->capture->joined[at->captured_in] = at->captured_at;
    return SUCCESS;
  }
  if (on->capture != nullptr) return on->capture->valid = false, CAPTURE_ISOLATION;
  if (at->recorded == 0) return SUCCESS;
  Work work;
  work.wait = found->second;
  work.version = at->recorded;
  on->device->enqueue(on, std::move(work));
  return SUCCESS;
}

// Kernels.

LS_EXPORT int cuLibraryLoadData(void** library, const void* code, int*, void**, unsigned, int*, void**, unsigned) {
  CONTEXT_CALL("cuLibraryLoadData");
  std::unique_ptr<Image> image;
  int result = Image::open(static_cast<const char*>(code), std::to_string(machine().capability), image);
  if (result != SUCCESS) return result;
  *library = image.get();
  machine().images[image.get()] = std::move(image);
  return SUCCESS;
}

LS_EXPORT int cuLibraryUnload(void* library) {
  CONTEXT_CALL("cuLibraryUnload");
  if (machine().images.count(static_cast<Image*>(library)) == 0) return INVALID_HANDLE;
  if (int code = current->wait(lock, [] { return current->idle(); })) return code;
  machine().images.erase(static_cast<Image*>(library));
  return SUCCESS;
}

LS_EXPORT int cuLibraryGetKernel(void** kernel, void* library, const char* name) {
  CONTEXT_CALL("cuLibraryGetKernel");
  auto found = machine().images.find(static_cast<Image*>(library));
  if (found == machine().images.end()) return INVALID_HANDLE;
  *kernel = found->second->kernel(name);
  return *kernel == nullptr ? NOT_FOUND : SUCCESS;
}

LS_EXPORT int cuKernelGetFunction(void** function, void* kernel) {
  CONTEXT_CALL("cuKernelGetFunction");
  *function = kernel;
  return SUCCESS;
}

LS_EXPORT int cuFuncGetAttribute(int* value, int attribute, void* function) {
  CONTEXT_CALL("cuFuncGetAttribute");
  const Kernel* kernel = static_cast<Kernel*>(function);
  switch (attribute) {
    case 0: *value = 1024; return SUCCESS;
    case 1: *value = kernel->image->static_shared == nullptr ? 0 : static_cast<int>(kernel->image->static_shared()); return SUCCESS;
    case 3: *value = 0; return SUCCESS;
    case 4: *value = 32; return SUCCESS;
    case 8: *value = kernel->max_dynamic_shared; return SUCCESS;
    default: return INVALID_VALUE;
  }
}

LS_EXPORT int cuFuncSetAttribute(void* function, int attribute, int value) {
  CONTEXT_CALL("cuFuncSetAttribute");
  if (attribute != 8 || value < 0 || value > 227 * 1024) return INVALID_VALUE;
  static_cast<Kernel*>(function)->max_dynamic_shared = value;
  return SUCCESS;
}

LS_EXPORT int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                             unsigned block_z, unsigned shared, void* stream, void** params, void** extra) {
  ENQUEUE_CALL("cuLaunchKernel");
  const Kernel* kernel = static_cast<Kernel*>(function);
  const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  uint64_t threads = static_cast<uint64_t>(block_x) * block_y * block_z;
  if (grid_x == 0 || grid_y == 0 || grid_z == 0 || grid_y > 65535 || grid_z > 65535 || threads == 0 || threads > 1024) return INVALID_VALUE;
  if (params == nullptr || extra != nullptr || shared > static_cast<unsigned>(kernel->max_dynamic_shared)) return INVALID_VALUE;
  for (size_t at = 0; at + 8 <= kernel->params_bytes; at += 8) {
    uint64_t word;
    memcpy(&word, static_cast<const char*>(params[0]) + at, 8);
    if (is_host_address(word)) {
      fprintf(stderr, "emulated driver: byte %zu of the parameters of %s is an address of the host\n", at, kernel->name.c_str());
      return enqueue(on, std::make_shared<Failure>(ILLEGAL_ADDRESS));
    }
  }
  return enqueue(on, std::make_shared<KernelLaunch>(kernel, grid, block, shared, params[0], current->random() % 4));
}

// Graphs.

LS_EXPORT int cuStreamBeginCapture_v2(void* stream, int mode) {
  CONTEXT_CALL("cuStreamBeginCapture_v2");
  Stream* on = static_cast<Stream*>(stream);
  if (machine().streams.count(on) == 0) return INVALID_HANDLE;
  if (mode != 1) return NOT_SUPPORTED;
  if (on->capture != nullptr) return ILLEGAL_STATE;
  auto capture = std::make_unique<Capture>();
  capture->origin = on;
  capture->thread = std::this_thread::get_id();
  on->capture = capture.get();
  on->captured = 0;
  machine().captures.insert(std::move(capture));
  return SUCCESS;
}

LS_EXPORT int cuStreamEndCapture(void* stream, void** graph) {
  LS_CALL("cuStreamEndCapture");
  Lock lock(Device::lock());
  *graph = nullptr;
  if (Device::sticky() != SUCCESS) return Device::sticky();
  Stream* on = static_cast<Stream*>(stream);
  if (machine().streams.count(on) == 0) return INVALID_HANDLE;
  Capture* capture = on->capture;
  if (capture == nullptr) return ILLEGAL_STATE;
  if (capture->origin != on) return CAPTURE_UNMATCHED;
  if (capture->thread != std::this_thread::get_id()) return CAPTURE_WRONG_THREAD;
  // A failure ends the capture, too.
  int code = fault != SUCCESS ? fault : capture->valid ? SUCCESS : CAPTURE_INVALIDATED;
  for (auto& [joined, awaited] : capture->joined) {
    if (code == SUCCESS && awaited < joined->captured) code = CAPTURE_UNJOINED;
    joined->capture = nullptr;
  }
  on->capture = nullptr;
  for (auto& entry : machine().events) {
    if (entry.first->capture == capture) entry.first->capture = nullptr;
  }
  if (code == SUCCESS) {
    *graph = capture->graph.get();
    machine().graphs[capture->graph.get()] = std::move(capture->graph);
  }
  for (auto at = machine().captures.begin(); at != machine().captures.end(); ++at) {
    if (at->get() == capture) {
      machine().captures.erase(at);
      break;
    }
  }
  return code;
}

LS_EXPORT int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  CONTEXT_CALL("cuGraphInstantiateWithFlags");
  auto found = machine().graphs.find(static_cast<Graph*>(graph));
  if (found == machine().graphs.end()) return INVALID_HANDLE;
  auto made = std::make_unique<Graph>(*found->second);
  *executable = made.get();
  machine().executables[made.get()] = std::move(made);
  return SUCCESS;
}

LS_EXPORT int cuGraphDestroy(void* graph) {
  CONTEXT_CALL("cuGraphDestroy");
  return machine().graphs.erase(static_cast<Graph*>(graph)) == 0 ? INVALID_HANDLE : SUCCESS;
}

LS_EXPORT int cuGraphExecDestroy(void* executable) {
  CONTEXT_CALL("cuGraphExecDestroy");
  return machine().executables.erase(static_cast<Graph*>(executable)) == 0 ? INVALID_HANDLE : SUCCESS;
}

LS_EXPORT int cuGraphUpload(void* executable, void* stream) {
  CONTEXT_CALL("cuGraphUpload");
  bool known = machine().executables.count(static_cast<Graph*>(executable)) != 0;
  return known && machine().streams.count(static_cast<Stream*>(stream)) != 0 ? SUCCESS : INVALID_HANDLE;
}

LS_EXPORT int cuGraphLaunch(void* executable, void* stream) {
  ENQUEUE_CALL("cuGraphLaunch");
  auto found = machine().executables.find(static_cast<Graph*>(executable));
  if (found == machine().executables.end()) return INVALID_HANDLE;
  return enqueue(on, std::make_shared<GraphLaunch>(found->second->operations));
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
