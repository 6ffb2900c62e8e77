// SPDX-License-Identifier: Apache-2.0
// Codes of 32 columns times the 16 rows of a tile, in planes of their low and high bits.
//
// Step s holds columns 4s … 4s + 3, four bytes per row. A plane of W bits is W vectors; step s is in vector s mod W at
// bit (s / W) · W of each byte.
#pragma once

#include "dots.h"

template <int LOW, int HIGH>
struct Planes {
  static constexpr int BYTES = (LOW + HIGH) * 4 * TILE_ROWS;
  static constexpr int LARGEST = (1 << (LOW + HIGH)) - 1;

  // Adds the codes of one row to zeroed weights.
  static void put(const uint8_t* codes, char* weights, int row) {
    put_plane<LOW, 0>(codes, (uint32_t*)weights + row);
    if constexpr (HIGH > 0) {
      put_plane<HIGH, LOW>(codes, (uint32_t*)weights + LOW * TILE_ROWS + row);
    }
  }

  // Returns the codes of a step, one byte per code, of the rows of a register that begin at `weights`.
  template <int STEP>
  static vec::Ints get(const char* weights) {
    vec::Ints low = get_plane<LOW, 0, STEP>(weights);
    if constexpr (HIGH > 0) {
      return vec::bit_or(low, get_plane<HIGH, LOW, STEP>(weights + LOW * 4 * TILE_ROWS));
    } else {
      return low;
    }
  }

 private:
  // The plane of bits [FIRST, FIRST + WIDTH).
  template <int WIDTH, int FIRST>
  static void put_plane(const uint8_t* codes, uint32_t* plane) {
    constexpr uint32_t MASK = ((1u << WIDTH) - 1) * 0x01010101u;
    for (int step = 0; step < STEPS; step++) {
      uint32_t four;
      __builtin_memcpy(&four, codes + 4 * step, sizeof four);
      plane[step % WIDTH * TILE_ROWS] |= (four >> FIRST & MASK) << step / WIDTH * WIDTH;
    }
  }

  // Shifting 16 bits at a time moves in bits of the neighbouring byte, which the mask always removes.
  template <int WIDTH, int FIRST, int STEP>
  static vec::Ints get_plane(const char* plane) {
    constexpr int AT = STEP / WIDTH * WIDTH;
    const vec::Ints mask = vec::bytes(((1 << WIDTH) - 1) << FIRST);
    vec::Ints codes = vec::load_ints(plane + STEP % WIDTH * 4 * TILE_ROWS);
    if constexpr (AT > FIRST) {
      codes = vec::shift_right_pairs<AT - FIRST>(codes);
    } else if constexpr (AT < FIRST) {
      codes = vec::shift_left_pairs<FIRST - AT>(codes);
    }
    return vec::bit_and(codes, mask);
  }
};

// A tile of blocks with an f16 scale: pairs of [2][16 rows] scales and [2] blocks of codes.
template <class Codes>
struct ScaledPairs {
  static constexpr int PAIR_BYTES = 2 * 2 * TILE_ROWS + 2 * Codes::BYTES, BLOCK_BYTES = PAIR_BYTES / 2;
  static int64_t scales(int64_t block) { return block / 2 * PAIR_BYTES + block % 2 * 2 * TILE_ROWS; }
  static int64_t codes(int64_t block) {
    return block / 2 * PAIR_BYTES + 2 * 2 * TILE_ROWS + block % 2 * Codes::BYTES;
  }
};

// A tile of blocks with an f16 scale and an f16 minimum: [scale, minimum][16 rows], codes.
template <class Codes>
struct ScaledWithMinimum {
  static constexpr int BLOCK_BYTES = 2 * 2 * TILE_ROWS + Codes::BYTES;
  static int64_t scales(int64_t block) { return block * BLOCK_BYTES; }
  static int64_t codes(int64_t block) { return block * BLOCK_BYTES + 2 * 2 * TILE_ROWS; }
};

// A tile of groups of SUB_BLOCKS blocks with an f16 scale and an f16 minimum or zero point: [scale, minimum][16 rows],
// codes of each block. It begins with the group that holds its first column.
template <class Codes, int SUB_BLOCKS>
struct AffineGroups {
  static constexpr int BYTES = 2 * 2 * TILE_ROWS + SUB_BLOCKS * Codes::BYTES, BLOCK_BYTES = BYTES / SUB_BLOCKS;
  static int64_t scales(int64_t block) { return block / SUB_BLOCKS * BYTES; }
  static int64_t codes(int64_t block) { return scales(block) + 2 * 2 * TILE_ROWS + block % SUB_BLOCKS * Codes::BYTES; }
};

// A tile of super-blocks of 8 sub-blocks: [scale, minimum][16 rows] of f16, 32 bytes of scales per sub-block, codes of
// 8 sub-blocks.
// A tile begins with the super-block that holds its first column; what precedes that column is not filled.
template <class Codes>
struct SuperBlocks {
  static constexpr int SUB_BLOCKS = 8;
  static constexpr int SUB_SCALES_BYTES = 2 * TILE_ROWS;
  static constexpr int BYTES = 2 * 2 * TILE_ROWS + SUB_BLOCKS * (SUB_SCALES_BYTES + Codes::BYTES);
  static int64_t halves(int64_t sub_block) { return sub_block / SUB_BLOCKS * BYTES; }
  static int64_t sub_scales(int64_t sub_block) {
    return halves(sub_block) + 2 * 2 * TILE_ROWS + sub_block % SUB_BLOCKS * SUB_SCALES_BYTES;
  }
  static int64_t codes(int64_t sub_block) {
    return halves(sub_block) + 2 * 2 * TILE_ROWS + SUB_BLOCKS * SUB_SCALES_BYTES +
           sub_block % SUB_BLOCKS * Codes::BYTES;
  }
};
