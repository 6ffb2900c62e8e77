// SPDX-License-Identifier: Apache-2.0
// A communicator as one rank has it, and the numbers of NCCL's interface.
#pragma once

#include <stdio.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "driver.h"
#include "exchange.h"

namespace ls_emulation {

enum Result { OK = 0, CUDA_ERROR = 1, SYSTEM_ERROR = 2, INTERNAL = 3, BAD_ARGUMENT = 4, BAD_USAGE = 5, IN_PROGRESS = 7 };
enum Type { INT8 = 0, INT32 = 2, F16 = 6, F32 = 7, BF16 = 9 };
constexpr int SUM = 0, UNDEFINED = INT32_MIN;
constexpr uint64_t REDUCTION = 1, BROADCAST = 2, POINT_TO_POINT = 3;

struct UniqueId {
  char bytes[128];
};

struct Config {
  size_t size;
  unsigned magic, version;
  int blocking, cga_cluster_size, min_ctas, max_ctas;
  const char* net_name;
  int split_share, traffic_class;
  const char* name;
  int collnet, policy, shrink_share, nvls_ctas;
};

inline size_t bytes_of(int type) {
  switch (type) {
    case INT8: return 1;
    case F16:
    case BF16: return 2;
    case INT32:
    case F32: return 4;
    default: return 0;
  }
}

struct State {
  int rank, ranks, device;
  bool blocking;
  std::string path;
  Exchange* exchange = nullptr;
  std::atomic<int> result{IN_PROGRESS};
  std::atomic<bool> aborted{false};
  // Collectives in graphs that were not destroyed.
  std::atomic<int> captured{0};
  std::mutex mutex;
  std::string error;
  // Kinds of connections that were made: -1 of collectives, else of a peer.
  std::set<int> connected;
  // What is in progress: an operation that is enqueued when it was asked for so often.
  std::unique_ptr<Operation> pending;
  void* pending_stream = nullptr;
  int awaited = 0;

  void fail(int code, const std::string& why) {
    std::lock_guard<std::mutex> lock(mutex);
    error = why;
    result = code;
    fprintf(stderr, "emulated NCCL: rank %d of %d: %s\n", rank, ranks, why.c_str());
  }
};

inline float to_float(const char* at, int type) {
  float x;
  if (type == F32) return memcpy(&x, at, 4), x;
  uint16_t half;
  memcpy(&half, at, 2);
  uint32_t bits;
  if (type == BF16) {
    bits = static_cast<uint32_t>(half) << 16;
    return memcpy(&x, &bits, 4), x;
  }
  _Float16 value;
  memcpy(&value, &half, 2);
  return static_cast<float>(value);
}

inline void from_float(char* at, int type, float x) {
  if (type == F32) {
    memcpy(at, &x, 4);
  } else if (type == BF16) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint16_t half = x != x ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    memcpy(at, &half, 2);
  } else {
    _Float16 value = static_cast<_Float16>(x);
    memcpy(at, &value, 2);
  }
}

}  // namespace ls_emulation
