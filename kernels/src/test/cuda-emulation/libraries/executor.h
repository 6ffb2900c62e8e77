// SPDX-License-Identifier: Apache-2.0
// A device: streams whose work runs late, on a thread of its own.
//
// Work waits until somebody waits for it or asks, or until a moment that a seed chooses. CUDA_EMULATION_DELAY is the
// longest wait in microseconds (1000 if absent), or "never": then work runs only when it is waited or asked for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "driver.h"
#include "memory.h"

namespace ls_emulation {

class Device;
struct Stream;

// A point of a stream. It was reached when `reached` has come to `recorded`.
struct Event {
  Device* device;
  uint64_t recorded = 0;
  uint64_t reached = 0;
  // Of a capture: where it was recorded. Recorded in a stream that does not capture it is null again.
  struct Capture* capture = nullptr;
  Stream* captured_in = nullptr;
  size_t captured_at = 0;
};

struct Graph {
  std::vector<std::shared_ptr<Operation>> operations;
};

// Streams that append to one graph in the order of the calls.
struct Capture {
  Stream* origin;
  std::thread::id thread;
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  bool valid = true;
  // Of each other stream that has joined: how many of its operations the origin has waited for.
  std::map<Stream*, size_t> joined;
};

struct Work {
  std::shared_ptr<Operation> operation;
  std::shared_ptr<Event> record;
  std::shared_ptr<Event> wait;
  uint64_t version = 0;
  std::unique_ptr<Run> run;
};

struct Stream {
  Device* device;
  std::deque<Work> work;
  bool running = false;
  Capture* capture = nullptr;
  // Operations that this stream added to its capture.
  size_t captured = 0;

  bool idle() const { return work.empty() && !running; }
};

// A graph as one operation of a stream.
class GraphLaunch : public Operation {
 public:
  explicit GraphLaunch(std::vector<std::shared_ptr<Operation>> operations) : operations_(std::move(operations)) {}

  std::unique_ptr<Run> start() override { return std::make_unique<Execution>(operations_); }

 private:
  class Execution : public Run {
   public:
    explicit Execution(const std::vector<std::shared_ptr<Operation>>& operations) : operations_(operations) {}

    bool step() override {
      while (at_ < operations_.size() && error_ == SUCCESS) {
        if (run_ == nullptr && (run_ = operations_[at_]->start()) == nullptr) {
          error_ = operations_[at_]->execute();
        } else {
          if (!run_->step()) return false;
          error_ = run_->error();
          run_ = nullptr;
        }
        at_++;
      }
      return true;
    }

    int error() override { return error_; }

   private:
    std::vector<std::shared_ptr<Operation>> operations_;
    size_t at_ = 0;
    std::unique_ptr<Run> run_;
    int error_ = SUCCESS;
  };

  std::vector<std::shared_ptr<Operation>> operations_;
};

class Device {
 public:
  const int ordinal;
  size_t used = 0;
  // How often the context was retained and not released.
  int retained = 0;

  explicit Device(int ordinal) : ordinal(ordinal) {
    const char* seed = getenv("CUDA_EMULATION_SEED");
    random_.seed(seed == nullptr ? 1 : strtoul(seed, nullptr, 10));
    const char* delay = getenv("CUDA_EMULATION_DELAY");
    delay_ = delay == nullptr ? 1000 : strcmp(delay, "never") == 0 ? -1 : strtol(delay, nullptr, 10);
  }

  // Replaces CUDA_EMULATION_DELAY; -1 is never.
  void set_delay(long micros) {
    delay_ = micros;
    changed_.notify_all();
  }

  // One lock for everything of every device in this process.
  static std::mutex& lock() {
    static std::mutex* one = new std::mutex;
    return *one;
  }

  // The error after which nothing of this process's devices works any more; 0 if there was none.
  static int& sticky() {
    static int one = SUCCESS;
    return one;
  }

  // The lock is held in all that follows.

  void enqueue(Stream* stream, Work work) {
    stream->work.push_back(std::move(work));
    streams_.insert(stream);
    start();
    changed_.notify_all();
  }

  void forget(Stream* stream) { streams_.erase(stream); }

  // Gives up everything of the context, once nothing of it runs.
  void renew(std::unique_lock<std::mutex>& held) {
    changed_.wait(held, [this] { return running_ == 0; });
    streams_.clear();
    Memory::all().free_all(ordinal);
    used = 0;
    retained = 0;
  }

  // Waits until `done` holds, running all that there is. Returns the sticky error.
  template <class Done>
  int wait(std::unique_lock<std::mutex>& held, Done done) {
    wanted_++;
    changed_.notify_all();
    while (!done() && sticky() == SUCCESS) changed_.wait(held);
    wanted_--;
    return sticky();
  }

  // Lets what is enqueued now run soon.
  void ask() {
    asked_ = true;
    changed_.notify_all();
  }

  bool idle() const {
    for (const Stream* stream : streams_) {
      if (!stream->idle()) return false;
    }
    return true;
  }

  unsigned long random() { return random_(); }

  // What nothing of this process's devices survives has happened.
  void break_down(int code) {
    sticky() = code;
    changed_.notify_all();
  }

 private:
  void start() {
    if (started_) return;
    started_ = true;
    std::thread([this] { execute(); }).detach();
  }

  static bool can_run(const Stream* stream) {
    if (stream->work.empty() || stream->running) return false;
    const Work& next = stream->work.front();
    return next.wait == nullptr || next.wait->reached >= next.version;
  }

  // The executor's thread.
  void execute() {
    std::unique_lock<std::mutex> held(lock());
    while (true) {
      std::vector<Stream*> ready;
      bool pending = false;
      for (Stream* stream : streams_) {
        pending = pending || !stream->work.empty();
        if (can_run(stream)) ready.push_back(stream);
      }
      if (sticky() != SUCCESS) {
        // Nothing runs any more.
        for (Stream* stream : streams_) stream->work.clear();
        changed_.notify_all();
        changed_.wait(held);
        continue;
      }
      bool now = wanted_ > 0 || asked_;
      if (ready.empty()) {
        asked_ = false;
        pending ? (void)changed_.wait_for(held, std::chrono::microseconds(100)) : changed_.wait(held);
        continue;
      }
      if (!now) {
        if (delay_ < 0) {
          changed_.wait(held);
          continue;
        }
        auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random_() % (delay_ + 1));
        while (wanted_ == 0 && !asked_ && changed_.wait_until(held, until) != std::cv_status::timeout) {
        }
      }
      // Some at a time without an order to do so, all that can run with one.
      size_t count = wanted_ > 0 || asked_ ? SIZE_MAX : 1 + random_() % 8;
      asked_ = false;
      run(held, count);
    }
  }

  // Runs up to `count` pieces of work, with device memory open.
  void run(std::unique_lock<std::mutex>& held, size_t count) {
    Memory::all().open();
    size_t blocked = 0;
    for (size_t i = 0; i < count && sticky() == SUCCESS; i++) {
      std::vector<Stream*> ready;
      for (Stream* stream : streams_) {
        if (can_run(stream)) ready.push_back(stream);
      }
      if (ready.empty()) break;
      if (run_one(held, ready[random_() % ready.size()])) {
        blocked = 0;
      } else if (++blocked >= 2 * ready.size()) {
        // What is left waits for another process.
        changed_.wait_for(held, std::chrono::microseconds(blocked < 100 ? 20 : 500));
      }
      changed_.notify_all();
    }
    if (!Memory::all().close() && sticky() == SUCCESS) {
      fprintf(stderr, "emulated device %d: a kernel or a copy wrote outside its allocation\n", ordinal);
      sticky() = ILLEGAL_ADDRESS;
    }
    changed_.notify_all();
  }

  // Runs the next work of a stream; returns whether it got done.
  bool run_one(std::unique_lock<std::mutex>& held, Stream* stream) {
    stream->running = true;
    running_++;
    Work work = std::move(stream->work.front());
    stream->work.pop_front();
    held.unlock();
    int error = SUCCESS;
    bool done = true;
    if (work.operation != nullptr) {
      if (work.run == nullptr) work.run = work.operation->start();
      if (work.run == nullptr) {
        error = work.operation->execute();
      } else {
        done = work.run->step();
        error = done ? work.run->error() : SUCCESS;
      }
    }
    held.lock();
    stream->running = false;
    running_--;
    if (!done) {
      stream->work.push_front(std::move(work));
      return false;
    }
    if (work.record != nullptr) work.record->reached = work.version;
    if (error != SUCCESS) sticky() = error;
    return true;
  }

  std::mt19937_64 random_;
  long delay_;
  bool started_ = false;
  std::set<Stream*> streams_;
  std::condition_variable changed_;
  int wanted_ = 0;
  int running_ = 0;
  bool asked_ = false;
};

}  // namespace ls_emulation
