// SPDX-License-Identifier: Apache-2.0
// libcuda.so.1 of the emulation: kernels, captures and graphs.
#include "machine.h"

using namespace ls_emulation;

namespace {

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
    case 1: *value = kernel->static_shared; return SUCCESS;
    case 3: *value = 0; return SUCCESS;
    case 4: *value = 32; return SUCCESS;
    case 8: *value = kernel->max_dynamic_shared; return SUCCESS;
    default: return INVALID_VALUE;
  }
}

LS_EXPORT int cuFuncSetAttribute(void* function, int attribute, int value) {
  CONTEXT_CALL("cuFuncSetAttribute");
  Kernel* kernel = static_cast<Kernel*>(function);
  if (attribute != 8 || value < 0 || value > 227 * 1024 - kernel->static_shared) return INVALID_VALUE;
  kernel->max_dynamic_shared = value;
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
