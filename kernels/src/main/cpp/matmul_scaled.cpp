// SPDX-License-Identifier: Apache-2.0
// Weights of blocks of 32 with a scale of 16 bits, and Q4_1 and Q5_1 with a minimum. Layouts are in planes.h.
#include "matmul_int8.h"
#include "planes.h"
#include "table_codes.h"

// Scales are f16, or bf16.
template <class CodesOf, int OFFSET_OF_CODES, bool BF16 = false>
struct Scaled {
  using Codes = CodesOf;
  using Layout = ScaledPairs<Codes>;
  static constexpr int OFFSET = OFFSET_OF_CODES;

  struct Factors {
    vec::Floats scale;

    void load(const char* scales) { scale = BF16 ? vec::load_bf16(scales) : vec::load_f16(scales); }
  };

  static void add(const Factors& factors, const Int8Block& x, vec::Ints dot, vec::Floats& sum) {
    vec::Floats both = vec::multiply(factors.scale, vec::broadcast(x.scale));
    sum = vec::fma(both, vec::to_floats(dot), sum);
  }
};

template <class Codes>
using BlocksWithMinimum = WithMinimum<Codes, ScaledWithMinimum<Codes>>;

template <int G> using Q4_0 = Blocks<Scaled<Planes<4, 0>, 8>, G>;
template <int G> using Q4_1 = Blocks<BlocksWithMinimum<Planes<4, 0>>, G>;
template <int G> using Q5_0 = Blocks<Scaled<Planes<4, 1>, 16>, G>;
template <int G> using Q5_1 = Blocks<BlocksWithMinimum<Planes<4, 1>>, G>;
template <int G> using Q8_0 = Blocks<Scaled<Planes<8, 0>, 128>, G>;
template <int G> using Iq4Nl = Blocks<Scaled<TableCodes<IQ4_NL_VALUES, 255>, 128>, G>;
template <int G> using Mxfp4 = Blocks<Scaled<TableCodes<MXFP4_VALUES, 24>, 12, true>, G>;

LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_0, Q4_0)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q4_1, Q4_1)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q5_0, Q5_0)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q5_1, Q5_1)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_q8_0, Q8_0)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_iq4_nl, Iq4Nl)
LOCKSTEP_INT8_MATMUL(lockstep_matmul_mxfp4, Mxfp4)
