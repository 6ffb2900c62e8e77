// SPDX-License-Identifier: Apache-2.0
// Packs plain types, Q8_0 and Q4_1 into tiles of 16 outputs. Outputs that do not exist are zero.
#include "pack.h"

#include "planes.h"
#include "stored.h"

template <int TYPE>
static float element(const char* row, int column) {
  switch (TYPE) {
    case TYPE_F32: return load<float>(row + 4 * (int64_t)column);
    case TYPE_F16: return f16_to_float(load<uint16_t>(row + 2 * (int64_t)column));
    default: return bf16_to_float(load<uint16_t>(row + 2 * (int64_t)column));
  }
}

template <int TYPE>
static void pack_f32(const PackArguments& a, float* out, int tile) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int column = 0; column < a.columns; column++) {
      out[(int64_t)column * TILE_ROWS + r] = row ? element<TYPE>(row, column) : 0;
    }
  }
}

template <int TYPE>
static void pack_bf16(const PackArguments& a, uint16_t* out, int tile) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int column = 0; column < (a.columns + 1) / 2 * 2; column++) {
      uint16_t value = 0;
      if (row && column < a.columns) {
        value = TYPE == TYPE_BF16 ? load<uint16_t>(row + 2 * (int64_t)column)
                                  : float_to_bf16(element<TYPE>(row, column));
      }
      out[(int64_t)(column / 2) * 2 * TILE_ROWS + r * 2 + column % 2] = value;
    }
  }
}

static void pack_as_f32(const PackArguments& a, char* out, int tile) {
  switch (a.type) {
    case TYPE_F32: pack_f32<TYPE_F32>(a, (float*)out, tile); break;
    case TYPE_F16: pack_f32<TYPE_F16>(a, (float*)out, tile); break;
    default: pack_f32<TYPE_BF16>(a, (float*)out, tile); break;
  }
}

static void pack_as_bf16(const PackArguments& a, char* out, int tile) {
  switch (a.type) {
    case TYPE_F32: pack_bf16<TYPE_F32>(a, (uint16_t*)out, tile); break;
    case TYPE_F16: pack_bf16<TYPE_F16>(a, (uint16_t*)out, tile); break;
    default: pack_bf16<TYPE_BF16>(a, (uint16_t*)out, tile); break;
  }
}

// Stored block: f16 scale, 32 signed bytes.
static void pack_q8_0(const PackArguments& a, char* out, int tile) {
  using Layout = ScaledPairs<Planes<8, 0>>;
  int blocks = a.columns / BLOCK;
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int64_t block = 0; block < blocks; block++) {
      const char* stored = row + block * 34;
      uint16_t* scales = (uint16_t*)(out + Layout::scales(block));
      uint32_t* weights = (uint32_t*)(out + Layout::codes(block));
      scales[r] = row ? load<uint16_t>(stored) : 0;
      for (int four = 0; four < 8; four++) {
        // Flipping the top bit adds 128. A missing row has scale 0, so its weights do not matter.
        uint32_t values = row ? load<uint32_t>(stored + 2 + four * 4) : 0;
        weights[four * TILE_ROWS + r] = values ^ 0x80808080u;
      }
    }
  }
}

// Stored block: f16 scale, f16 minimum, 16 bytes of two nibbles: columns c (low) and c + 16.
static void pack_q4_1(const PackArguments& a, char* out, int tile) {
  using Layout = ScaledWithMinimum<Planes<4, 0>>;
  int blocks = a.columns / BLOCK;
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(tile * TILE_ROWS + r);
    for (int64_t block = 0; block < blocks; block++) {
      const char* stored = row + block * 20;
      uint16_t* scales = (uint16_t*)(out + Layout::scales(block));
      uint32_t* weights = (uint32_t*)(out + Layout::codes(block));
      scales[r] = row ? load<uint16_t>(stored) : 0;
      scales[TILE_ROWS + r] = row ? load<uint16_t>(stored + 2) : 0;
      for (int four = 0; four < 4; four++) {
        weights[four * TILE_ROWS + r] = row ? load<uint32_t>(stored + 4 + four * 4) : 0;
      }
    }
  }
}

LOCKSTEP_PACK(lockstep_pack_f32, pack_as_f32)
LOCKSTEP_PACK(lockstep_pack_bf16, pack_as_bf16)
LOCKSTEP_PACK(lockstep_pack_q8_0, pack_q8_0)
LOCKSTEP_PACK(lockstep_pack_q4_1, pack_q4_1)
