// SPDX-License-Identifier: Apache-2.0
// libnccl.so.2 of the emulation: collectives between processes of one host.
//
// Sums are those of F32 in rank order, rounded once. As in the real library a communicator that does not block enqueues
// late: every collective is in progress until it was asked for, the first of a kind, which connects, until it was asked
// for twice; nothing else may be enqueued meanwhile. Its end waits for the graphs that hold collectives of it.
#define LS_LIBRARY "nccl"
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "calls.h"
#include "guarded.h"
#include "ranks.h"

using namespace ls_emulation;

namespace {

// A collective as it was called.
struct Call {
  uint64_t kind;
  char *from, *to;
  size_t count;
  int type, peer;

  size_t bytes() const { return count * bytes_of(type); }
};

// Collectives that run together.
class Group : public Operation {
 public:
  Group(std::shared_ptr<State> state, std::vector<Call> calls, bool captured)
      : state_(std::move(state)), calls_(std::move(calls)), captured_(captured) {
    state_->captured += captured_;
  }

  ~Group() override { state_->captured -= captured_; }

  std::unique_ptr<Run> start() override { return std::make_unique<Exchanging>(state_, calls_); }

  const std::vector<Call>& calls() const { return calls_; }

 private:
  class Exchanging : public Run {
   public:
    Exchanging(std::shared_ptr<State> state, std::vector<Call> calls) : state_(std::move(state)), calls_(std::move(calls)) {}

    bool step() override {
      if (state_->aborted) return true;
      error_ = Guarded::run([this] { return advance(), static_cast<int>(SUCCESS); }, ILLEGAL_ADDRESS);
      return error_ != SUCCESS || done_;
    }

    int error() override { return error_; }

   private:
    void advance() {
      if (!begun_) begin();
      begun_ = true;
      // Messages between two ranks keep their order.
      std::set<std::pair<bool, int>> busy;
      bool all = true;
      for (Transfer& transfer : transfers_) {
        if (transfer.moved == transfer.bytes) continue;
        if (busy.count({transfer.sends, transfer.peer}) == 0 && !failed_ && !transfer.move(*state_->exchange, state_->rank)) {
          failed_ = true;
          state_->fail(BAD_USAGE, "ranks do not call the same collectives in the same order");
        }
        if (transfer.moved < transfer.bytes) busy.insert({transfer.sends, transfer.peer}), all = false;
      }
      if (!all) return;
      finish();
      done_ = true;
    }

    void begin() {
      held_.resize(calls_.size());
      for (size_t i = 0; i < calls_.size(); i++) {
        const Call& call = calls_[i];
        switch (call.kind) {
          case POINT_TO_POINT: {
            bool sends = call.from != nullptr;
            transfers_.push_back({sends, call.peer, sends ? call.from : call.to, call.bytes(), POINT_TO_POINT});
            break;
          }
          case BROADCAST:
            if (call.peer == state_->rank) {
              for (int peer = 0; peer < state_->ranks; peer++) {
                if (peer != call.peer) transfers_.push_back({true, peer, call.from, call.bytes(), BROADCAST});
              }
            } else {
              transfers_.push_back({false, call.peer, call.to, call.bytes(), BROADCAST});
            }
            break;
          default:
            // Every rank's values, this one's as they are now.
            held_[i].resize(call.bytes() * state_->ranks);
            memcpy(held_[i].data() + call.bytes() * state_->rank, call.from, call.bytes());
            for (int peer = 0; peer < state_->ranks; peer++) {
              if (peer == state_->rank) continue;
              transfers_.push_back({true, peer, held_[i].data() + call.bytes() * state_->rank, call.bytes(), REDUCTION});
              transfers_.push_back({false, peer, held_[i].data() + call.bytes() * peer, call.bytes(), REDUCTION});
            }
        }
      }
    }

    void finish() {
      for (size_t i = 0; i < calls_.size(); i++) {
        const Call& call = calls_[i];
        if (call.kind == BROADCAST && call.from != call.to && call.peer == state_->rank) memcpy(call.to, call.from, call.bytes());
        if (call.kind != REDUCTION) continue;
        size_t size = bytes_of(call.type);
        for (size_t at = 0; at < call.bytes(); at += size) {
          if (call.type == INT32) {
            uint32_t sum = 0;
            for (int rank = 0; rank < state_->ranks; rank++) sum += *reinterpret_cast<uint32_t*>(held_[i].data() + call.bytes() * rank + at);
            memcpy(call.to + at, &sum, 4);
          } else {
            float sum = to_float(held_[i].data() + at, call.type);
            for (int rank = 1; rank < state_->ranks; rank++) sum += to_float(held_[i].data() + call.bytes() * rank + at, call.type);
            from_float(call.to + at, call.type, sum);
          }
        }
      }
    }

    std::shared_ptr<State> state_;
    std::vector<Call> calls_;
    std::vector<std::vector<char>> held_;
    std::vector<Transfer> transfers_;
    bool begun_ = false, done_ = false, failed_ = false;
    int error_ = SUCCESS;
  };

  std::shared_ptr<State> state_;
  std::vector<Call> calls_;
  int captured_;
};

struct Communicator {
  std::shared_ptr<State> state = std::make_shared<State>();
};

struct Grouped {
  std::vector<Call> calls;
  void* stream;
};

thread_local int group_depth = 0;
thread_local std::map<Communicator*, Grouped> grouped;

int enqueue(std::unique_ptr<Operation> operation, void* stream) {
  return ls_emulation_enqueue(stream, operation.release()) == SUCCESS ? OK : CUDA_ERROR;
}

int submit(Communicator* communicator, std::vector<Call> calls, void* stream) {
  State& state = *communicator->state;
  int before = state.result;
  if (before == IN_PROGRESS) return state.fail(BAD_USAGE, "a collective was called while another call is in progress"), BAD_USAGE;
  if (before != OK) return before;
  bool connects = false;
  for (const Call& call : calls) {
    connects = state.connected.insert(call.kind == POINT_TO_POINT ? call.peer : -1).second || connects;
  }
  bool captures = ls_emulation_is_capturing(stream);
  auto group = std::make_unique<Group>(communicator->state, std::move(calls), captures);
  if (state.blocking) return enqueue(std::move(group), stream);
  if (connects && captures) return state.fail(BAD_USAGE, "a capture has the first collective of its kind"), BAD_USAGE;
  std::lock_guard<std::mutex> lock(state.mutex);
  state.pending = std::move(group);
  state.pending_stream = stream;
  state.awaited = connects ? 2 : 1;
  return state.result = IN_PROGRESS;
}

int call(Communicator* communicator, Call one, void* stream) {
  if (communicator == nullptr || bytes_of(one.type) == 0) return BAD_ARGUMENT;
  State& state = *communicator->state;
  if (one.peer >= state.ranks || one.peer < -1) return BAD_ARGUMENT;
  if (one.count == 0) return OK;
  for (char* memory : {one.from, one.to}) {
    if (memory != nullptr && !ls_emulation_is_device_memory(memory, one.bytes())) {
      state.fail(BAD_ARGUMENT, "a collective works on memory that is not the device's");
      return BAD_ARGUMENT;
    }
  }
  if (group_depth == 0) return submit(communicator, {one}, stream);
  Grouped& group = grouped[communicator];
  group.calls.push_back(one);
  group.stream = stream;
  return OK;
}

// From this version on ranks can share a device, and refusals say so.
constexpr int SHARING = 23000;

// CUDA_EMULATION_NCCL, or 2.27.3.
int version() {
  const char* text = getenv("CUDA_EMULATION_NCCL");
  return text == nullptr ? 22703 : atoi(text);
}

bool is_set(const char* name, const char* value) {
  const char* text = getenv(name);
  return text != nullptr && strcmp(text, value) == 0;
}

// Refuses two ranks on one device of a host, which NCCL_HOSTID names, as NCCL of this version does.
void refuse_shared_device(State& state, int peer) {
  if (version() < SHARING) {
    return state.fail(BAD_USAGE, "Duplicate GPU detected: rank " + std::to_string(state.rank) + " and rank " + std::to_string(peer) +
                                     " both on CUDA device " + std::to_string(state.device));
  }
  state.fail(BAD_USAGE, is_set("NCCL_MULTI_RANK_GPU_ENABLE", "1")
                            ? "NVLS is not compatible with several ranks on one GPU, and NCCL_NVLS_ENABLE is 1"
                            : "Multiple Ranks are using the same GPU/Partition. Set NCCL_MULTI_RANK_GPU_ENABLE=1 to enable this configuration.");
}

// Waits for the other ranks; returns a result.
void connect(const std::shared_ptr<State>& state) {
  const bool shares = version() >= SHARING && is_set("NCCL_MULTI_RANK_GPU_ENABLE", "1") && !is_set("NCCL_NVLS_ENABLE", "1");
  for (int rank = 0; rank < state->ranks; rank++) {
    Member& member = state->exchange->members[rank];
    while (member.present.load(std::memory_order_acquire) == 0) {
      if (state->aborted) return;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    const Member& own = state->exchange->members[state->rank];
    if (member.ranks != state->ranks) return state->fail(BAD_ARGUMENT, "ranks name different numbers of ranks");
    if (rank != state->rank && member.device == own.device && strcmp(member.host, own.host) == 0 && !shares) {
      return refuse_shared_device(*state, rank);
    }
  }
  state->result = OK;
}

// Frees a communicator once no graph holds a collective of it. The real library would leave a context on the first device
// where the thread has none.
int end(Communicator* communicator) {
  std::shared_ptr<State> state = communicator->state;
  if (ls_emulation_device() != state->device) {
    state->fail(BAD_USAGE, "a communicator is ended by a thread without the context of its device");
    return BAD_USAGE;
  }
  {
    // What was not enqueued yet never is.
    std::lock_guard<std::mutex> lock(state->mutex);
    state->pending = nullptr;
    state->awaited = 0;
  }
  while (state->captured > 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  unlink(state->path.c_str());
  delete communicator;
  return OK;
}

}  // namespace

LS_EXPORT int ncclGetVersion(int* out) {
  LS_CALL("ncclGetVersion");
  return fault != 0 ? fault : (*out = version(), OK);
}

LS_EXPORT const char* ncclGetErrorString(int result) {
  switch (result) {
    case OK: return "no error";
    case CUDA_ERROR: return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case SYSTEM_ERROR: return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case INTERNAL: return "internal error - please report this issue to the NCCL developers";
    case BAD_ARGUMENT: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case BAD_USAGE: return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case 6: return "remote process exited or there was a network error";
    case IN_PROGRESS: return "NCCL operation in progress";
    default: return "unknown result code";
  }
}

LS_EXPORT const char* ncclGetLastError(Communicator* communicator) {
  static thread_local std::string text;
  if (communicator == nullptr) return "";
  std::lock_guard<std::mutex> lock(communicator->state->mutex);
  text = communicator->state->error;
  return text.c_str();
}

LS_EXPORT int ncclGetUniqueId(UniqueId* id) {
  LS_CALL("ncclGetUniqueId");
  if (fault != 0) return fault;
  memset(id->bytes, 0, sizeof id->bytes);
  std::random_device random;
  snprintf(id->bytes, sizeof id->bytes, "lockstep-emulation-%08x%08x%08x", random(), random(), random());
  return OK;
}

LS_EXPORT int ncclCommInitRankConfig(Communicator** out, int ranks, UniqueId id, int rank, Config* config) {
  LS_CALL("ncclCommInitRankConfig");
  if (fault != 0) return fault;
  if (config->magic != 0xcafebeef || config->size < 72 || config->version < 21400) return BAD_ARGUMENT;
  // Zero is a value, and none of these may have it.
  if (config->min_ctas != UNDEFINED && config->min_ctas <= 0) return BAD_ARGUMENT;
  if (config->max_ctas != UNDEFINED && config->max_ctas <= 0) return BAD_ARGUMENT;
  if (ranks < 1 || ranks > MAX_RANKS || rank < 0 || rank >= ranks || strncmp(id.bytes, "lockstep-emulation-", 19) != 0) return BAD_ARGUMENT;
  if (ls_emulation_device() < 0) return CUDA_ERROR;
  auto made = new Communicator;
  State& state = *made->state;
  state.rank = rank;
  state.ranks = ranks;
  state.device = ls_emulation_device();
  state.blocking = config->blocking != 0;
  state.path = std::string("/dev/shm/") + std::string(id.bytes, strnlen(id.bytes, sizeof id.bytes));
  state.exchange = Exchange::open(state.path);
  if (state.exchange == nullptr) return delete made, SYSTEM_ERROR;
  Member& own = state.exchange->members[rank];
  own.device = state.device;
  own.ranks = ranks;
  const char* host = getenv("NCCL_HOSTID");
  snprintf(own.host, sizeof own.host, "%s", host == nullptr ? "this" : host);
  own.present.store(1, std::memory_order_release);
  *out = made;
  std::thread connecting([held = made->state] { connect(held); });
  if (!state.blocking) return connecting.detach(), IN_PROGRESS;
  connecting.join();
  return state.result;
}

LS_EXPORT int ncclCommGetAsyncError(Communicator* communicator, int* result) {
  LS_CALL("ncclCommGetAsyncError");
  if (fault != 0) return fault;
  State& state = *communicator->state;
  std::unique_lock<std::mutex> lock(state.mutex);
  if (state.awaited > 0 && --state.awaited == 0) {
    std::unique_ptr<Operation> operation = std::move(state.pending);
    lock.unlock();
    int code = operation == nullptr ? static_cast<int>(OK) : enqueue(std::move(operation), state.pending_stream);
    int before = IN_PROGRESS;
    state.result.compare_exchange_strong(before, code);
  }
  *result = state.result;
  return OK;
}

LS_EXPORT int ncclCommAbort(Communicator* communicator) {
  LS_CALL("ncclCommAbort");
  communicator->state->aborted = true;
  int code = end(communicator);
  return fault != 0 ? fault : code;
}

LS_EXPORT int ncclCommFinalize(Communicator* communicator) {
  LS_CALL("ncclCommFinalize");
  if (fault != 0) return fault;
  State& state = *communicator->state;
  if (state.result == IN_PROGRESS) return state.fail(BAD_USAGE, "a communicator is finalized while a call is in progress"), BAD_USAGE;
  if (state.result != OK || state.blocking) return state.result;
  std::lock_guard<std::mutex> lock(state.mutex);
  state.awaited = 1;
  return state.result = IN_PROGRESS;
}

LS_EXPORT int ncclCommDestroy(Communicator* communicator) {
  LS_CALL("ncclCommDestroy");
  if (communicator->state->result == IN_PROGRESS) return BAD_ARGUMENT;
  int code = end(communicator);
  return fault != 0 ? fault : code;
}

LS_EXPORT int ncclGroupStart() {
  LS_CALL("ncclGroupStart");
  if (fault != 0) return fault;
  group_depth++;
  return OK;
}

LS_EXPORT int ncclGroupEnd() {
  LS_CALL("ncclGroupEnd");
  if (group_depth == 0) return BAD_USAGE;
  if (--group_depth > 0) return fault;
  std::map<Communicator*, Grouped> all;
  all.swap(grouped);
  if (fault != 0) return fault;
  int result = OK;
  for (auto& [communicator, group] : all) {
    int code = submit(communicator, std::move(group.calls), group.stream);
    if (code != OK) result = code;
  }
  return result;
}

LS_EXPORT int ncclAllReduce(char* from, char* to, size_t count, int type, int operation, Communicator* communicator, void* stream) {
  LS_CALL("ncclAllReduce");
  if (fault != 0) return fault;
  return operation != SUM ? static_cast<int>(BAD_ARGUMENT) : call(communicator, {REDUCTION, from, to, count, type, -1}, stream);
}

LS_EXPORT int ncclBroadcast(char* from, char* to, size_t count, int type, int root, Communicator* communicator, void* stream) {
  LS_CALL("ncclBroadcast");
  if (fault != 0) return fault;
  return call(communicator, {BROADCAST, from, to, count, type, root}, stream);
}

LS_EXPORT int ncclSend(char* from, size_t count, int type, int peer, Communicator* communicator, void* stream) {
  LS_CALL("ncclSend");
  if (fault != 0) return fault;
  return call(communicator, {POINT_TO_POINT, from, nullptr, count, type, peer}, stream);
}

LS_EXPORT int ncclRecv(char* to, size_t count, int type, int peer, Communicator* communicator, void* stream) {
  LS_CALL("ncclRecv");
  if (fault != 0) return fault;
  return call(communicator, {POINT_TO_POINT, nullptr, to, count, type, peer}, stream);
}
