// SPDX-License-Identifier: Apache-2.0
// The source rows of packing. Output r is stored row `indices[r]`.
#pragma once

#include "lockstep.h"

struct PackArguments {
  int type;
  const char* data; // the first stored row, at the block that holds the first column
  int64_t row_bytes;
  const int32_t* indices;
  int rows;
  int columns;
  int skipped; // columns of that block that precede the first one

  // Null for an output that does not exist.
  const char* row(int output) const { return output < rows ? data + indices[output] * row_bytes : nullptr; }
};

// An exported function that packs tiles [tile_from, tile_to) by Pack(arguments, tile's memory, tile's number).
#define LOCKSTEP_PACK(name, Pack)                                                                                   \
  LOCKSTEP void name(int type, const char* data, int64_t row_bytes, const int32_t* indices, int rows, int columns,  \
                     int skipped, char* target, int64_t tile_bytes, int tile_from, int tile_to) {                   \
    for (int tile = tile_from; tile < tile_to; tile++) {                                                            \
      Pack({type, data, row_bytes, indices, rows, columns, skipped}, target + tile * tile_bytes, tile);             \
    }                                                                                                               \
  }
