// SPDX-License-Identifier: Apache-2.0
// Codes of 4 bits that index a table of values.
#pragma once

#include "planes.h"
#include "stored.h"

// LARGEST is the greatest value of the table.
template <const uint8_t* TABLE, int LARGEST_VALUE>
struct TableCodes {
  static constexpr int BYTES = Planes<4, 0>::BYTES, LARGEST = LARGEST_VALUE;

  template <int STEP>
  static vec::Ints get(const char* weights) {
    return vec::look_up(TABLE, Planes<4, 0>::get<STEP>(weights));
  }
};
