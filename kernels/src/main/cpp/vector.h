// SPDX-License-Identifier: Apache-2.0
// One vector register of 32-bit lanes, and the few operations that the kernels are written in. Each instruction set has
// a header with the same names:
//
//   WIDTH      lanes of a register
//   REGISTERS  registers
//   TOKENS     tokens that a product multiplies by a tile at once; their sums stay in registers
//   LOCKSTEP_BYTE_DOTS, a macro: dot4 and four_bytes exist, one instruction for unsigned times signed bytes
//
// All float operations are those that IEEE 754 rounds exactly, so that every set gives the same bits.
#pragma once

#include <stdint.h>

#if defined(__AVX512F__)
#include "vector_avx512.h"
#elif defined(__AVX2__)
#include "vector_avx2.h"
#elif defined(__ARM_FEATURE_MATMUL_INT8)
#include "vector_neon.h"
#else
#error "no kernels for this instruction set"
#endif
