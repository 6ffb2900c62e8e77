// SPDX-License-Identifier: Apache-2.0
// Runs code of a kernel, of which an access to memory that it may not touch is an error and not the end of the process.
#pragma once

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

namespace ls_emulation {

class Guarded {
 public:
  // Returns what `body` returns, or `failure` if it touched such memory.
  template <class Body>
  static int run(Body body, int failure) {
    install();
    // A fiber's stack may be too small for a signal's frame.
    static thread_local char* stack = static_cast<char*>(malloc(STACK_BYTES));
    stack_t alternate{}, before{};
    alternate.ss_sp = stack;
    alternate.ss_size = STACK_BYTES;
    sigaltstack(&alternate, &before);
    sigjmp_buf back;
    volatile int result = failure;
    if (sigsetjmp(back, 1) == 0) {
      way_back = &back;
      result = body();
    }
    way_back = nullptr;
    sigaltstack(&before, nullptr);
    return result;
  }

 private:
  static constexpr size_t STACK_BYTES = 64 * 1024;

  // Not by call_once: its inner function is visible to other libraries, of which one would install its handler twice
  // and then pass signals on to itself.
  __attribute__((noinline)) static void install() {
    static const bool installed = install_handlers();
    (void)installed;
  }

  static bool install_handlers() {
    for (int signal : {SIGSEGV, SIGBUS}) {
      struct sigaction action {};
      action.sa_sigaction = handle;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
      sigfillset(&action.sa_mask);
      sigaction(signal, &action, &earlier[signal]);
      if (earlier[signal].sa_sigaction == handle) abort();
    }
    return true;
  }

  static void handle(int signal, siginfo_t* info, void* context) {
    if (way_back != nullptr) siglongjmp(*way_back, 1);
    // Not a kernel's: the Java machine's own handler knows what to do.
    const struct sigaction& next = earlier[signal];
    if (next.sa_flags & SA_SIGINFO) {
      next.sa_sigaction(signal, info, context);
    } else {
      sigaction(signal, &next, nullptr);
    }
  }

  // Volatile: a compiler that sees all of a body, such as one memset, may leave out what only a handler reads.
  // Initial-exec: a handler must not allocate.
  static __thread sigjmp_buf* volatile way_back __attribute__((tls_model("initial-exec")));
  static struct sigaction earlier[32];
};

inline __thread sigjmp_buf* volatile Guarded::way_back __attribute__((tls_model("initial-exec"))) = nullptr;
inline struct sigaction Guarded::earlier[32];

}  // namespace ls_emulation
