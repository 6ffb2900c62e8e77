// SPDX-License-Identifier: Apache-2.0
// Device memory: pages that only the device's executor may touch, each allocation between two pages that nobody may.
#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <map>
#include <mutex>

namespace ls_emulation {

class Memory {
 public:
  // `total` bytes for all devices of this process each; the pages are the same for all.
  static Memory& all() {
    static Memory* one = new Memory;
    return *one;
  }

  // Returns 0 if the host has no memory. The end of the allocation, rounded up to 256 bytes, lies at a guard page.
  uintptr_t allocate(int device, size_t bytes) {
    size_t rounded = round(bytes, ALIGNMENT), pages = round(rounded, PAGE);
    void* mapped = mmap(nullptr, pages + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return 0;
    char* first = static_cast<char*>(mapped) + PAGE;
    char* start = first + pages - rounded;
    mprotect(first, pages, PROT_READ | PROT_WRITE);
    // Another attribute than that of the guard pages: the kernel would merge them while nobody may touch either, and
    // split them again for every piece of work.
    madvise(first, pages, MADV_DONTDUMP);
    memset(first, CANARY, static_cast<size_t>(start - first));
    memset(start + bytes, CANARY, rounded - bytes);
    // NaN in every floating-point type, no valid index; touching all of a large allocation would take real memory.
    memset(start, 0xff, bytes < MAX_POISONED ? bytes : MAX_POISONED);
    std::lock_guard<std::mutex> lock(mutex_);
    Allocation allocation{device, start, bytes, first, pages};
    allocations_[reinterpret_cast<uintptr_t>(start)] = allocation;
    if (open_ == 0) mprotect(first, pages, PROT_NONE);
    return reinterpret_cast<uintptr_t>(start);
  }

  // Returns the bytes of an allocation that begins at `address`, and forgets it; 0 if there is none.
  size_t free(int device, uintptr_t address) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = allocations_.find(address);
    if (found == allocations_.end() || found->second.device != device) return 0;
    Allocation allocation = found->second;
    allocations_.erase(found);
    munmap(allocation.pages - PAGE, allocation.page_bytes + 2 * PAGE);
    return allocation.bytes;
  }

  void free_all(int device) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto at = allocations_.begin(); at != allocations_.end();) {
      const Allocation& allocation = at->second;
      if (allocation.device == device) {
        munmap(allocation.pages - PAGE, allocation.page_bytes + 2 * PAGE);
        at = allocations_.erase(at);
      } else {
        ++at;
      }
    }
  }

  bool contains(int device, uintptr_t address, size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto next = allocations_.upper_bound(address);
    if (next == allocations_.begin()) return false;
    const Allocation& allocation = (--next)->second;
    uintptr_t start = reinterpret_cast<uintptr_t>(allocation.start);
    return allocation.device == device && address + bytes <= start + allocation.bytes;
  }

  // Whether an address belongs to an allocation of any device, its end and the pages around it included.
  bool is_near(uintptr_t address) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto next = allocations_.upper_bound(address + PAGE);
    if (next == allocations_.begin()) return false;
    const Allocation& allocation = (--next)->second;
    uintptr_t first = reinterpret_cast<uintptr_t>(allocation.pages);
    return address >= first - PAGE && address <= first + allocation.page_bytes + PAGE;
  }

  // Lets the calling executor touch all device memory until close(), with other executors.
  void open() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (open_++ == 0) protect(PROT_READ | PROT_WRITE);
  }

  // Returns whether nobody wrote behind an allocation or before it.
  bool close() {
    std::lock_guard<std::mutex> lock(mutex_);
    bool intact = true;
    for (const auto& entry : allocations_) intact = intact && is_intact(entry.second);
    if (--open_ == 0) protect(PROT_NONE);
    return intact;
  }

  static size_t round(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

  static constexpr size_t ALIGNMENT = 256;

 private:
  static constexpr size_t PAGE = 4096;
  static constexpr size_t MAX_POISONED = 16 << 20;
  static constexpr unsigned char CANARY = 0xa5;

  struct Allocation {
    int device;
    char* start;
    size_t bytes;
    char* pages;
    size_t page_bytes;
  };

  static bool is_intact(const Allocation& allocation) {
    for (const char* at = allocation.pages; at < allocation.start; at++) {
      if (static_cast<unsigned char>(*at) != CANARY) return false;
    }
    const char* end = allocation.start + round(allocation.bytes, ALIGNMENT);
    for (const char* at = allocation.start + allocation.bytes; at < end; at++) {
      if (static_cast<unsigned char>(*at) != CANARY) return false;
    }
    return true;
  }

  void protect(int access) {
    for (const auto& entry : allocations_) mprotect(entry.second.pages, entry.second.page_bytes, access);
  }

  std::mutex mutex_;
  std::map<uintptr_t, Allocation> allocations_;
  int open_ = 0;
};

}  // namespace ls_emulation
