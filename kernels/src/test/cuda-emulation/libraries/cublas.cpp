// SPDX-License-Identifier: Apache-2.0
// libcublas.so.13 of the emulation: Bytedeco's glue needs it, Lockstep calls nothing of it.
extern "C" __attribute__((visibility("default"))) int cublas_of_the_emulation() { return 0; }
