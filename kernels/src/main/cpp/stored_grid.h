// SPDX-License-Identifier: Apache-2.0
// Blocks of 256 columns as GGUF stores its types of the fewest bits: indices of a grid of 8 or 4 magnitudes with signs,
// and ternary digits.
//
// w = d · s · (code − OFFSET) / DIVISOR, where s is odd: 2 · nibble + 1.
#pragma once

#include "gguf_grids.h"
#include "stored.h"

// Where a block of 256 columns has what. An index is of so many COLUMNS; `scale` is the nibble of 16 columns.
template <int TYPE>
struct GridBlock;

// Eight signs of which seven are stored: their number is even.
static inline uint8_t eight_signs(uint32_t stored) {
  return (uint8_t)((stored & 127) | (uint32_t)__builtin_parity(stored & 127) << 7);
}

static inline int nibble_at(const uint8_t* nibbles, int index) { return nibbles[index / 2] >> index % 2 * 4 & 15; }

// Entries of 2 bits t: 8t, without a shift by an eighth down or up. `signs` has bits where it is up.
struct ShiftedGrid {
  static constexpr int COLUMNS = 8, OFFSET = 9, LARGEST = 18, DIVISOR = 8, ENTRIES = 2048;
  static constexpr bool SHIFTED = true;
  static constexpr const uint16_t* GRID = IQ1_S_GRID;
  static constexpr uint8_t MAGNITUDES[] = {0, 8, 16, 24};
};

// Entries of 2 bits that choose a magnitude of eighths.
struct EighthsGrid {
  static constexpr int COLUMNS = 8, OFFSET = 43, LARGEST = 86, DIVISOR = 8;
  static constexpr bool SHIFTED = false;
  static constexpr uint8_t MAGNITUDES[] = {8, 25, 43, 0};
};

// d, 32 indices, 8 shorts: high bits of 4 indices, scale of 3 bits, whether the shift is down.
template <>
struct GridBlock<TYPE_IQ1_S> : ShiftedGrid {
  static constexpr int BYTES = 50;
  static uint16_t d(const uint8_t* block) { return load<uint16_t>(block); }
  static int word(const uint8_t* block, int sub_block) { return load<uint16_t>(block + 34 + 2 * sub_block); }
  static int scale(const uint8_t* block, int half) { return word(block, half / 2) >> 12 & 7; }
  static int index(const uint8_t* block, int i) { return block[2 + i] | (word(block, i / 4) >> i % 4 * 3 & 7) << 8; }
  static uint8_t signs(const uint8_t* block, int eight) { return word(block, eight / 4) >> 15 ? 0 : 255; }
};

// 32 indices, 16 bytes: high bits and shifts of 2 indices, 4 shorts: scales of 3 bits, 4 bits of d.
template <>
struct GridBlock<TYPE_IQ1_M> : ShiftedGrid {
  static constexpr int BYTES = 56;
  static int word(const uint8_t* block, int i) { return load<uint16_t>(block + 48 + 2 * i); }
  static uint16_t d(const uint8_t* block) {
    int d = 0;
    for (int i = 0; i < 4; i++) {
      d |= word(block, i) >> 12 << 4 * i;
    }
    return (uint16_t)d;
  }
  static int scale(const uint8_t* block, int half) { return word(block, half / 4) >> half % 4 * 3 & 7; }
  static int index(const uint8_t* block, int i) { return block[i] | (nibble_at(block + 32, i) & 7) << 8; }
  static uint8_t signs(const uint8_t* block, int eight) { return nibble_at(block + 32, eight) & 8 ? 0 : 255; }
};

// d, 8 of: 4 indices, 4 signs of 7 bits, scale.
template <>
struct GridBlock<TYPE_IQ2_XXS> : EighthsGrid {
  static constexpr int BYTES = 66, ENTRIES = 256;
  static constexpr const uint16_t* GRID = IQ2_XXS_GRID;
  static uint16_t d(const uint8_t* block) { return load<uint16_t>(block); }
  static uint32_t word(const uint8_t* block, int sub_block) { return load<uint32_t>(block + 6 + 8 * sub_block); }
  static int scale(const uint8_t* block, int half) { return word(block, half / 2) >> 28; }
  static int index(const uint8_t* block, int i) { return block[2 + i / 4 * 8 + i % 4]; }
  static uint8_t signs(const uint8_t* block, int eight) { return eight_signs(word(block, eight / 4) >> eight % 4 * 7); }
};

// d, 32 shorts: index of 9 bits, signs of 7, 8 bytes of 2 scales.
template <>
struct GridBlock<TYPE_IQ2_XS> : EighthsGrid {
  static constexpr int BYTES = 74, ENTRIES = 512;
  static constexpr const uint16_t* GRID = IQ2_XS_GRID;
  static uint16_t d(const uint8_t* block) { return load<uint16_t>(block); }
  static int scale(const uint8_t* block, int half) { return nibble_at(block + 66, half); }
  static int index(const uint8_t* block, int i) { return load<uint16_t>(block + 2 + 2 * i) & 511; }
  static uint8_t signs(const uint8_t* block, int eight) { return eight_signs(load<uint16_t>(block + 2 + 2 * eight) >> 9); }
};

// d, 32 indices, 32 signs, 8 bytes: high bits of 4 indices, 8 bytes of 2 scales.
template <>
struct GridBlock<TYPE_IQ2_S> : EighthsGrid {
  static constexpr int BYTES = 82, ENTRIES = 1024;
  static constexpr const uint16_t* GRID = IQ2_S_GRID;
  static uint16_t d(const uint8_t* block) { return load<uint16_t>(block); }
  static int scale(const uint8_t* block, int half) { return nibble_at(block + 74, half); }
  static int index(const uint8_t* block, int i) { return block[2 + i] | (block[66 + i / 4] >> i % 4 * 2 & 3) << 8; }
  static uint8_t signs(const uint8_t* block, int eight) { return block[34 + eight]; }
};

// d, 64 indices, 8 ints: 4 signs of 7 bits, scale. Entries of 4 bits that choose a magnitude of quarters.
template <>
struct GridBlock<TYPE_IQ3_XXS> {
  static constexpr int COLUMNS = 4, OFFSET = 62, LARGEST = 124, DIVISOR = 4, BYTES = 98, ENTRIES = 256;
  static constexpr bool SHIFTED = false;
  static constexpr const uint16_t* GRID = IQ3_XXS_GRID;
  static constexpr uint8_t MAGNITUDES[] = {4, 12, 20, 28, 36, 44, 52, 62};
  static uint16_t d(const uint8_t* block) { return load<uint16_t>(block); }
  static uint32_t word(const uint8_t* block, int sub_block) { return load<uint32_t>(block + 66 + 4 * sub_block); }
  static int scale(const uint8_t* block, int half) { return word(block, half / 2) >> 28; }
  static int index(const uint8_t* block, int i) { return block[2 + i]; }
  static uint8_t signs(const uint8_t* block, int eight) { return eight_signs(word(block, eight / 4) >> eight % 4 * 7); }
};

// d, 64 indices, 8 bytes: high bits of 8 indices, 32 signs, 4 bytes of 2 scales. Entries of 4 bits.
template <>
struct GridBlock<TYPE_IQ3_S> {
  static constexpr int COLUMNS = 4, OFFSET = 15, LARGEST = 30, DIVISOR = 1, BYTES = 110, ENTRIES = 512;
  static constexpr bool SHIFTED = false;
  static constexpr const uint16_t* GRID = IQ3_S_GRID;
  static constexpr uint8_t MAGNITUDES[] = {1, 3, 5, 7, 9, 11, 13, 15};
  static uint16_t d(const uint8_t* block) { return load<uint16_t>(block); }
  static int scale(const uint8_t* block, int half) { return nibble_at(block + 106, half / 2); }
  static int index(const uint8_t* block, int i) { return block[2 + i] | (block[66 + i / 8] >> i % 8 & 1) << 8; }
  static uint8_t signs(const uint8_t* block, int eight) { return block[74 + eight]; }
};

// The magnitudes of entries, one byte each, the first in the lowest.
template <class Entry, int ENTRIES>
struct GridTable {
  Entry of[ENTRIES];
};

template <class Block, class Entry>
static constexpr GridTable<Entry, Block::ENTRIES> grid_table() {
  constexpr int COLUMNS = Block::COLUMNS, BITS = 16 / COLUMNS;
  GridTable<Entry, Block::ENTRIES> table = {};
  for (int i = 0; i < Block::ENTRIES; i++) {
    for (int c = 0; c < COLUMNS; c++) {
      table.of[i] |= (Entry)Block::MAGNITUDES[Block::GRID[i] >> c * BITS & ((1 << BITS) - 1)] << 8 * c;
    }
  }
  return table;
}

template <int TYPE>
struct StoredGrid {
  using Block = GridBlock<TYPE>;
  static constexpr int COLUMNS = 256, BYTES = Block::BYTES, OFFSET = Block::OFFSET;

  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    constexpr int BITS = 16 / Block::COLUMNS;
    for (int c = 0; c < BLOCK; c++) {
      int column = sub_block * BLOCK + c;
      int entry = Block::GRID[Block::index(block, column / Block::COLUMNS)];
      int magnitude = Block::MAGNITUDES[entry >> c % Block::COLUMNS * BITS & ((1 << BITS) - 1)];
      bool set = Block::signs(block, column / 8) >> c % 8 & 1;
      out[c] = (uint8_t)(Block::SHIFTED ? magnitude + 2 * set : OFFSET + (set ? -magnitude : magnitude));
    }
  }

  static Scales scales(const uint8_t* block, int sub_block) {
    float scale = f16_to_float(Block::d(block)) * (1.0f / Block::DIVISOR);
    int first = Block::scale(block, 2 * sub_block), second = Block::scale(block, 2 * sub_block + 1);
    return {{scale * (2 * first + 1), scale * (2 * second + 1)}, {0, 0}};
  }
};

template <> struct Stored<TYPE_IQ1_S> : StoredGrid<TYPE_IQ1_S> {};
template <> struct Stored<TYPE_IQ1_M> : StoredGrid<TYPE_IQ1_M> {};
template <> struct Stored<TYPE_IQ2_XXS> : StoredGrid<TYPE_IQ2_XXS> {};
template <> struct Stored<TYPE_IQ2_XS> : StoredGrid<TYPE_IQ2_XS> {};
template <> struct Stored<TYPE_IQ2_S> : StoredGrid<TYPE_IQ2_S> {};
template <> struct Stored<TYPE_IQ3_XXS> : StoredGrid<TYPE_IQ3_XXS> {};
template <> struct Stored<TYPE_IQ3_S> : StoredGrid<TYPE_IQ3_S> {};

// Five ternary digits in a byte, as a fraction of 256: 32 bytes, 16 bytes, 4 bytes of four digits, d. Digit n of a byte is
// one of columns as many apart as there are such bytes.
template <>
struct Stored<TYPE_TQ1_0> {
  static constexpr int COLUMNS = 256, BYTES = 54, OFFSET = 1;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    constexpr int POWERS[] = {1, 3, 9, 27, 81};
    for (int c = 0; c < BLOCK; c++) {
      int column = sub_block * BLOCK + c;
      int bytes = column < 160 ? 32 : column < 240 ? 16 : 4;
      int within = column < 160 ? column : column < 240 ? column - 160 : column - 240;
      int from = column < 160 ? 0 : column < 240 ? 32 : 48;
      int fraction = block[from + within % bytes] * POWERS[within / bytes] & 255;
      out[c] = (uint8_t)(fraction * 3 >> 8);
    }
  }
  static Scales scales(const uint8_t* block, int) { return one_scale(block + 52); }
};

// 64 bytes of codes, each of one column of four sub-blocks, d.
template <>
struct Stored<TYPE_TQ2_0> {
  static constexpr int COLUMNS = 256, BYTES = 66, OFFSET = 1;
  static void codes(const uint8_t* block, int sub_block, uint8_t* out) {
    const uint8_t* from = block + sub_block / 4 * 32;
    for (int c = 0; c < BLOCK; c++) {
      out[c] = from[c] >> sub_block % 4 * 2 & 3;
    }
  }
  static Scales scales(const uint8_t* block, int) { return one_scale(block + 64); }
};
