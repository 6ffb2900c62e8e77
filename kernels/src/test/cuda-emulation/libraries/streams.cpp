// SPDX-License-Identifier: Apache-2.0
// libcuda.so.1 of the emulation: streams and events.
#include "machine.h"

using namespace ls_emulation;

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
  if (int code = refuse_captured(on)) return code;
  return on->device->wait(lock, [on] { return on->idle(); });
}

LS_EXPORT int cuStreamQuery(void* stream) {
  CONTEXT_CALL("cuStreamQuery");
  Stream* on = static_cast<Stream*>(stream);
  if (machine().streams.count(on) == 0) return INVALID_HANDLE;
  if (int code = refuse_captured(on)) return code;
  if (on->idle()) return SUCCESS;
  on->device->ask();
  return NOT_READY;
}

// Events.

LS_EXPORT int cuEventCreate(void** event, unsigned) {
  CONTEXT_CALL("cuEventCreate");
  auto made = std::make_shared<Event>();
  made->device = current;
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
