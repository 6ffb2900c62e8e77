// SPDX-License-Identifier: Apache-2.0
// Runs blocks, and what a shared object exports beside its kernels. Compiled once, it is linked to every object.
#include "device.h"

#include <pthread.h>

#include "device_block.h"

namespace ls_emulated {

Running running;

uint64_t collective(Collective kind, unsigned mask, uint64_t value, int source, int line) {
  return block().collective(kind, mask, value, source, line);
}

uint64_t barrier(uint64_t value, int line) { return block().barrier(value, line); }

int lane() { return block().lane(); }

// The section of static shared memory; the anchor makes it exist.
__attribute__((section("ls_shared"), used)) static unsigned char shared_anchor[16];
extern "C" __attribute__((visibility("hidden"))) unsigned char __start_ls_shared[], __stop_ls_shared[];

// Dynamic shared memory, up to its limit on the largest devices; a page behind it cannot be accessed.
class DynamicShared {
 public:
  static constexpr size_t MAX_BYTES = 227 * 1024;

  // Returns `bytes` poisoned bytes that end at that page, up to the alignment of 16; null if there is no memory.
  unsigned char* poisoned(size_t bytes) {
    if (memory_ == nullptr) {
      void* mapped = mmap(nullptr, CAPACITY + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (mapped == MAP_FAILED) return nullptr;
      memory_ = static_cast<unsigned char*>(mapped);
      mprotect(memory_ + CAPACITY, PAGE, PROT_NONE);
    }
    size_t rounded = (bytes + 15) / 16 * 16;
    unsigned char* start = memory_ + CAPACITY - rounded;
    memset(start, POISON, rounded);
    return start;
  }

 private:
  static constexpr size_t PAGE = 4096;
  static constexpr size_t CAPACITY = (MAX_BYTES + PAGE - 1) / PAGE * PAGE;
  unsigned char* memory_ = nullptr;
};

// The launch that runs.
struct Launch {
  const Kernel* kernel = nullptr;
  const void* params = nullptr;
  Stacks stacks;
  DynamicShared shared;
  Order order;
};

Launch& launch() {
  static Launch one;
  return one;
}

void begin_thread() {
  launch().kernel->body(launch().params);
  block().wait(State::ENDED, 0);
}

bool run_block(unsigned at, size_t dynamic_shared) {
  Block& one = block();
  running.index = {at % running.grid.x, at / running.grid.x % running.grid.y, at / running.grid.x / running.grid.y};
  memset(__start_ls_shared, POISON, static_cast<size_t>(__stop_ls_shared - __start_ls_shared));
  running.shared = launch().shared.poisoned(dynamic_shared);
  if (running.shared == nullptr || !launch().stacks.reserve()) return one.fail("out of memory");
  return one.run(begin_thread, launch().stacks, launch().order);
}

// As the driver numbers errors.
enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_FOUND = 500, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719 };

// Where the compiler has checked an access.
struct CheckedAccess {
  const char* file;
  uint32_t line, column;
  const void* type;
  unsigned char alignment_bits, kind;
};

// Whether the launch that runs has accessed an address that is no multiple of its type's size.
bool& misaligned() {
  static bool one = false;
  return one;
}

int run(const char* name, const unsigned grid[3], const unsigned size[3], unsigned dynamic_shared, const void* params, unsigned long seed) {
  Block& one = block();
  one.error[0] = 0;
  const Kernel* kernel = Kernel::find(name);
  if (kernel == nullptr) return one.fail("no kernel %s", name), NOT_FOUND;
  uint64_t blocks = static_cast<uint64_t>(grid[0]) * grid[1] * grid[2], threads = static_cast<uint64_t>(size[0]) * size[1] * size[2];
  if (blocks < 1 || grid[0] > 0x7fffffff || grid[1] > 0xffff || grid[2] > 0xffff || threads < 1 || threads > MAX_THREADS ||
      dynamic_shared > DynamicShared::MAX_BYTES) {
    return one.fail("%s: a grid of %u x %u x %u blocks of %u x %u x %u threads with %u bytes of shared memory", name, grid[0], grid[1], grid[2],
                    size[0], size[1], size[2], dynamic_shared),
           INVALID_VALUE;
  }
  launch().kernel = kernel;
  launch().params = params;
  launch().order.begin(seed);
  misaligned() = false;
  running.grid = {grid[0], grid[1], grid[2]};
  running.size = {size[0], size[1], size[2]};
  if (blocks > UINT32_MAX / 4) return one.fail("%s: more blocks than can be emulated", name), INVALID_VALUE;
  unsigned* order = static_cast<unsigned*>(malloc(blocks * sizeof(unsigned)));
  launch().order.fill(order, static_cast<unsigned>(blocks));
  bool right = true;
  for (uint64_t i = 0; right && i < blocks; i++) right = run_block(order[i], dynamic_shared);
  free(order);
  if (!right || misaligned()) fprintf(stderr, "emulated kernel %s: %s\n", name, one.error);
  return !right ? LAUNCH_FAILED : misaligned() ? MISALIGNED_ADDRESS : SUCCESS;
}

}  // namespace ls_emulated

// The compiler calls it for a wrong address; the access follows.
extern "C" __attribute__((visibility("hidden"))) void __ubsan_handle_type_mismatch_v1(const ls_emulated::CheckedAccess* access,
                                                                                      uintptr_t address) {
  if (ls_emulated::misaligned()) return;
  ls_emulated::misaligned() = true;
  ls_emulated::block().fail("line %u: address %lx is no multiple of %d", access->line, static_cast<unsigned long>(address),
                            1 << access->alignment_bits);
}

#define LS_EXPORT extern "C" __attribute__((visibility("default")))

// Runs a kernel; returns 0 or a number of the driver's errors. Threads of the host take turns.
LS_EXPORT int ls_emulated_launch(const char* kernel, const unsigned grid[3], const unsigned block[3], unsigned dynamic_shared,
                                 const void* params, unsigned long seed) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one_at_a_time);
  int code = ls_emulated::run(kernel, grid, block, dynamic_shared, params, seed);
  pthread_mutex_unlock(&one_at_a_time);
  return code;
}

// The bytes of a kernel's parameter struct; 0 if there is no such kernel.
LS_EXPORT unsigned long ls_emulated_params_bytes(const char* kernel) {
  const ls_emulated::Kernel* found = ls_emulated::Kernel::find(kernel);
  return found == nullptr ? 0 : found->bytes;
}

// The number of kernels, and the name of one of them.
LS_EXPORT int ls_emulated_kernel_count(void) {
  int count = 0;
  for (const ls_emulated::Kernel* kernel = ls_emulated::Kernel::first(); kernel != nullptr; kernel = kernel->next) count++;
  return count;
}

LS_EXPORT const char* ls_emulated_kernel_name(int index) {
  const ls_emulated::Kernel* kernel = ls_emulated::Kernel::first();
  while (kernel != nullptr && index-- > 0) kernel = kernel->next;
  return kernel == nullptr ? nullptr : kernel->name;
}

// The bytes of static shared memory that the kernels of the file have together.
LS_EXPORT unsigned long ls_emulated_static_shared(void) {
  return static_cast<unsigned long>(ls_emulated::__stop_ls_shared - ls_emulated::__start_ls_shared) - sizeof ls_emulated::shared_anchor;
}

// Lines "struct field offset size" of the structs that the host fills.
LS_EXPORT const char* ls_emulated_layouts(void) { return ls_emulated::layout_lines().chars; }

// Why the last launch failed; empty if it did not.
LS_EXPORT const char* ls_emulated_error(void) { return ls_emulated::block().error; }
