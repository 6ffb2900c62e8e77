// SPDX-License-Identifier: Apache-2.0
// Advances a word of mapped host memory: it tells how far the stream has come. One thread.
#include "ls_types.cuh"

#define ADVANCE_FIELDS(F) F(int64_t*, word) F(int64_t, steps)
LS_STRUCT(AdvanceParams, ADVANCE_FIELDS, 16)

LS_KERNEL(advance, AdvanceParams) {
  __threadfence_system();
  volatile int64_t* word = p.word;
  *word = *word + p.steps;
}
