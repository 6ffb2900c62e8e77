// SPDX-License-Identifier: Apache-2.0
// libnvrtc-builtins.so.13.9 of the emulation.
extern "C" __attribute__((visibility("default"))) int nvrtc_builtins_of_the_emulation() { return 0; }
