// SPDX-License-Identifier: Apache-2.0
// What a stream of the driver does: copies, fills, kernels.
#pragma once

#include <string.h>

#include <atomic>
#include <vector>

#include "driver.h"
#include "guarded.h"
#include "image.h"

namespace ls_emulation {

// Copies when it runs: memory that was changed since the call shows.
class Copy : public Operation {
 public:
  Copy(void* to, const void* from, size_t bytes) : to_(to), from_(from), bytes_(bytes) {}

  int execute() override {
    return Guarded::run([this] { return memcpy(to_, from_, bytes_), SUCCESS; }, ILLEGAL_ADDRESS);
  }

 private:
  void* to_;
  const void* from_;
  size_t bytes_;
};

// Copies what the host's memory held at the call.
class CopyOfHost : public Operation {
 public:
  CopyOfHost(void* to, const void* from, size_t bytes) : to_(to), held_(static_cast<const char*>(from), static_cast<const char*>(from) + bytes) {}

  int execute() override {
    return Guarded::run([this] { return memcpy(to_, held_.data(), held_.size()), SUCCESS; }, ILLEGAL_ADDRESS);
  }

 private:
  void* to_;
  std::vector<char> held_;
};

class Fill : public Operation {
 public:
  Fill(void* to, unsigned char value, size_t bytes) : to_(to), value_(value), bytes_(bytes) {}

  int execute() override {
    return Guarded::run([this] { return memset(to_, value_, bytes_), SUCCESS; }, ILLEGAL_ADDRESS);
  }

 private:
  void* to_;
  unsigned char value_;
  size_t bytes_;
};

// Keeps the parameters of the call.
class KernelLaunch : public Operation {
 public:
  KernelLaunch(const Kernel* kernel, const unsigned grid[3], const unsigned block[3], unsigned shared, const void* params, unsigned long seed)
      : kernel_(kernel),
        grid_{grid[0], grid[1], grid[2]},
        block_{block[0], block[1], block[2]},
        shared_(shared),
        params_(static_cast<const char*>(params), static_cast<const char*>(params) + kernel->params_bytes),
        seed_(seed) {}

  int execute() override {
    int code = Guarded::run(
        [this] { return kernel_->image->launch(kernel_->name.c_str(), grid_, block_, shared_, params_.data(), seed_); }, ILLEGAL_ADDRESS);
    if (code != SUCCESS) fprintf(stderr, "emulated device: kernel %s failed with %d\n", kernel_->name.c_str(), code);
    return code == SUCCESS || is_sticky(code) ? code : LAUNCH_FAILED;
  }

 private:
  const Kernel* kernel_;
  unsigned grid_[3], block_[3];
  unsigned shared_;
  std::vector<char> params_;
  unsigned long seed_;
};

// A failure that shows when the device comes to it.
class Failure : public Operation {
 public:
  explicit Failure(int code) : code_(code) {}
  int execute() override { return code_; }

 private:
  int code_;
};

// Keeps the stream from going on, as a kernel that does not end, until everything held is released.
class Hold : public Operation {
 public:
  static std::atomic<uint64_t>& releases() {
    static std::atomic<uint64_t> count{0};
    return count;
  }

  std::unique_ptr<Run> start() override { return std::make_unique<Waiting>(made_); }

 private:
  class Waiting : public Run {
   public:
    explicit Waiting(uint64_t made) : made_(made) {}
    bool step() override { return releases() != made_; }

   private:
    const uint64_t made_;
  };

  const uint64_t made_ = releases();
};

}  // namespace ls_emulation
