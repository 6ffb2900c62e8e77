// SPDX-License-Identifier: Apache-2.0
// Packs the types of matmul_scaled.cpp, matmul_affine.cpp and matmul_k.cpp; layouts are in planes.h. Targets are zeroed before, and rows
// that do not exist stay zero.
#include "pack.h"
#include "planes.h"
#include "stored.h"

namespace {

template <int TYPE, class Codes, class Layout>
void pack_scaled(const PackArguments& a, const uint8_t* row, char* tile, int r) {
  for (int block = 0; block < a.columns / BLOCK; block++) {
    uint8_t codes[BLOCK];
    Stored<TYPE>::codes(row, 0, codes);
    Codes::put(codes, tile + Layout::codes(block), r);
    uint16_t* scales = (uint16_t*)(tile + Layout::scales(block));
    scales[r] = TYPE == TYPE_MXFP4 ? half_of_e8m0(*row) : load<uint16_t>(row);
    if (TYPE == TYPE_Q5_1) {
      scales[TILE_ROWS + r] = load<uint16_t>(row + 2);
    }
    row += Stored<TYPE>::BYTES;
  }
}

template <int TYPE, class Codes>
void pack_sub_blocks(const PackArguments& a, const uint8_t* row, char* tile, int r) {
  using Layout = SuperBlocks<Codes>;
  int first = a.skipped / BLOCK;
  for (int sub_block = first; sub_block < first + a.columns / BLOCK; sub_block++) {
    const uint8_t* block = row + (int64_t)(sub_block / Layout::SUB_BLOCKS) * Stored<TYPE>::BYTES;
    uint8_t codes[BLOCK];
    Stored<TYPE>::codes(block, sub_block % Layout::SUB_BLOCKS, codes);
    Codes::put(codes, tile + Layout::codes(sub_block), r);
    uint16_t* halves = (uint16_t*)(tile + Layout::halves(sub_block));
    const uint8_t* stored = Stored<TYPE>::halves(block);
    uint8_t* own = (uint8_t*)(tile + Layout::sub_scales(sub_block));
    halves[r] = load<uint16_t>(stored);
    if constexpr (TYPE == TYPE_Q4_K || TYPE == TYPE_Q5_K) {
      halves[TILE_ROWS + r] = load<uint16_t>(stored + 2);
      SixBits six = Stored<TYPE>::six_bits(block, sub_block % Layout::SUB_BLOCKS);
      own[r] = six.scale;
      own[TILE_ROWS + r] = six.minimum;
    } else {
      if (TYPE == TYPE_Q2_K) {
        halves[TILE_ROWS + r] = load<uint16_t>(stored + 2);
      }
      for (int half = 0; half < 2; half++) {
        own[2 * r + half] = Stored<TYPE>::sub_scale(block, sub_block % Layout::SUB_BLOCKS * 2 + half);
      }
    }
  }
}

template <int TYPE, class Codes>
void pack_affine(const PackArguments& a, const uint8_t* row, char* tile, int r) {
  constexpr int SUB_BLOCKS = Stored<TYPE>::COLUMNS / BLOCK;
  using Layout = AffineGroups<Codes, SUB_BLOCKS>;
  int first = a.skipped / BLOCK;
  for (int number = first; number < first + a.columns / BLOCK; number++) {
    const uint8_t* block = row + (int64_t)(number / SUB_BLOCKS) * Stored<TYPE>::BYTES;
    uint8_t codes[BLOCK];
    Stored<TYPE>::codes(block, number % SUB_BLOCKS, codes);
    Codes::put(codes, tile + Layout::codes(number), r);
    uint16_t* scales = (uint16_t*)(tile + Layout::scales(number));
    scales[r] = load<uint16_t>(block);
    scales[TILE_ROWS + r] = load<uint16_t>(block + 2);
  }
}

void pack_row(const PackArguments& a, const uint8_t* row, char* tile, int r) {
  switch (a.type) {
    case TYPE_Q4_0: pack_scaled<TYPE_Q4_0, Planes<4, 0>, ScaledPairs<Planes<4, 0>>>(a, row, tile, r); break;
    case TYPE_IQ4_NL: pack_scaled<TYPE_IQ4_NL, Planes<4, 0>, ScaledPairs<Planes<4, 0>>>(a, row, tile, r); break;
    case TYPE_MXFP4: pack_scaled<TYPE_MXFP4, Planes<4, 0>, ScaledPairs<Planes<4, 0>>>(a, row, tile, r); break;
    case TYPE_Q5_0: pack_scaled<TYPE_Q5_0, Planes<4, 1>, ScaledPairs<Planes<4, 1>>>(a, row, tile, r); break;
    case TYPE_Q5_1: pack_scaled<TYPE_Q5_1, Planes<4, 1>, ScaledWithMinimum<Planes<4, 1>>>(a, row, tile, r); break;
    case TYPE_Q2_K: pack_sub_blocks<TYPE_Q2_K, Planes<2, 0>>(a, row, tile, r); break;
    case TYPE_Q3_K: pack_sub_blocks<TYPE_Q3_K, Planes<2, 1>>(a, row, tile, r); break;
    case TYPE_Q4_K: pack_sub_blocks<TYPE_Q4_K, Planes<4, 0>>(a, row, tile, r); break;
    case TYPE_Q5_K: pack_sub_blocks<TYPE_Q5_K, Planes<4, 1>>(a, row, tile, r); break;
    case TYPE_Q6_K: pack_sub_blocks<TYPE_Q6_K, Planes<4, 2>>(a, row, tile, r); break;
    case TYPE_IQ4_XS: pack_sub_blocks<TYPE_IQ4_XS, Planes<4, 0>>(a, row, tile, r); break;
    case TYPE_Q4_OFFSET: pack_affine<TYPE_Q4_OFFSET, Planes<4, 0>>(a, row, tile, r); break;
    case TYPE_Q4_ZERO: pack_affine<TYPE_Q4_ZERO, Planes<4, 0>>(a, row, tile, r); break;
    case TYPE_Q8_OFFSET: pack_affine<TYPE_Q8_OFFSET, Planes<8, 0>>(a, row, tile, r); break;
    case TYPE_Q4_ZERO_32: pack_affine<TYPE_Q4_ZERO_32, Planes<4, 0>>(a, row, tile, r); break;
    case TYPE_Q4_ZERO_128: pack_affine<TYPE_Q4_ZERO_128, Planes<4, 0>>(a, row, tile, r); break;
    case TYPE_Q8_ZERO: pack_affine<TYPE_Q8_ZERO, Planes<8, 0>>(a, row, tile, r); break;
    case TYPE_Q8_ZERO_32: pack_affine<TYPE_Q8_ZERO_32, Planes<8, 0>>(a, row, tile, r); break;
  }
}

void pack_tile(const PackArguments& a, char* tile, int number) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(number * TILE_ROWS + r);
    if (row) {
      pack_row(a, (const uint8_t*)row, tile, r);
    }
  }
}

}  // namespace

LOCKSTEP_PACK(lockstep_pack_quantized, pack_tile)
