// SPDX-License-Identifier: Apache-2.0
// Integers with a scale and an offset or a zero point for each group of blocks. Layouts are in planes.h.
#include "matmul_int8.h"
#include "planes.h"

template <class Codes, int SUB_BLOCKS, bool ZERO>
using Affine = WithMinimum<Codes, AffineGroups<Codes, SUB_BLOCKS>, ZERO>;

template <int G> using Q4Offset = Blocks<Affine<Planes<4, 0>, 2, false>, G>;
template <int G> using Q4Zero = Blocks<Affine<Planes<4, 0>, 2, true>, G>;
template <int G> using Q4Zero32 = Blocks<Affine<Planes<4, 0>, 1, true>, G>;
template <int G> using Q4Zero128 = Blocks<Affine<Planes<4, 0>, 4, true>, G>;
template <int G> using Q8Offset = Blocks<Affine<Planes<8, 0>, 1, false>, G>;
template <int G> using Q8Zero = Blocks<Affine<Planes<8, 0>, 2, true>, G>;
template <int G> using Q8Zero32 = Blocks<Affine<Planes<8, 0>, 1, true>, G>;

LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_offset, Q4Offset)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_zero, Q4Zero)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_zero_32, Q4Zero32)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_zero_128, Q4Zero128)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_offset, Q8Offset)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_zero, Q8Zero)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_zero_32, Q8Zero32)
