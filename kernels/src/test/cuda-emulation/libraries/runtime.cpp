// SPDX-License-Identifier: Apache-2.0
// libcudart.so.13 of the emulation.
#define LS_LIBRARY "cudart"
#include "calls.h"

LS_EXPORT int cudaRuntimeGetVersion(int* version) {
  LS_CALL("cudaRuntimeGetVersion");
  if (fault != 0) return fault;
  *version = 13000;
  return 0;
}
