// SPDX-License-Identifier: Apache-2.0
// Integers with a scale and an offset or a zero point for each group of blocks. Layouts are in planes.h.
#include "matmul_int8.h"
#include "planes.h"

// w = scale · code + minimum; with ZERO the minimum is −scale · zero, exact in a float.
template <class CodesOf, int SUB_BLOCKS, bool ZERO>
struct Affine {
  using Codes = CodesOf;
  using Layout = AffineGroups<Codes, SUB_BLOCKS>;
  static constexpr int OFFSET = 0;

  struct Factors {
    vec::Floats scale;
    vec::Floats minimum;

    void load(const char* scales) {
      scale = vec::load_f16(scales);
      minimum = vec::load_f16(scales + 2 * TILE_ROWS);
      if (ZERO) minimum = vec::multiply(vec::multiply(scale, minimum), vec::broadcast(-1));
    }
  };

  static void add(const Factors& factors, const Int8Block& x, vec::Ints dot, vec::Floats& sum) {
    vec::Floats both = vec::multiply(factors.scale, vec::broadcast(x.scale));
    sum = vec::fma(both, vec::to_floats(dot), sum);
    sum = vec::fma(factors.minimum, vec::broadcast(x.scaled_sum), sum);
  }
};

template <int G> using Q4Offset = Blocks<Affine<Planes<4, 0>, 2, false>, G>;
template <int G> using Q4Zero = Blocks<Affine<Planes<4, 0>, 2, true>, G>;
template <int G> using Q4Zero32 = Blocks<Affine<Planes<4, 0>, 1, true>, G>;
template <int G> using Q8Offset = Blocks<Affine<Planes<8, 0>, 1, false>, G>;
template <int G> using Q8Zero = Blocks<Affine<Planes<8, 0>, 2, true>, G>;
template <int G> using Q8Zero32 = Blocks<Affine<Planes<8, 0>, 1, true>, G>;

LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_offset, Q4Offset)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_zero, Q4Zero)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_zero_32, Q4Zero32)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_offset, Q8Offset)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_zero, Q8Zero)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_zero_32, Q8Zero32)
