// SPDX-License-Identifier: Apache-2.0
// Weights of GGUF's types of the fewest bits, packed in about the bytes of the file. A block of 256 columns is decoded to
// bytes, which stay in the first-level cache while all tokens are multiplied by them.
//
// A tile begins with the block that holds its first column, and blocks are whole: what lies outside the columns is packed
// and decoded too.
#include "matmul_int8.h"
#include "pack.h"
#include "stored_grid.h"

#include <type_traits>

static constexpr int BLOCK_COLUMNS = 256, SUB_BLOCKS = BLOCK_COLUMNS / BLOCK;

// A byte for each row of a tile.
typedef uint8_t Bytes __attribute__((vector_size(TILE_ROWS)));
typedef uint64_t Words __attribute__((vector_size(TILE_ROWS)));

// Beside each byte of one vector that of another, for the first half of the rows.
static constexpr Bytes FIRST_ROWS = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};

// How many columns have a scale of their own, besides that of the block.
enum ScaledColumns { NONE = 0, SUB_BLOCK = 32, HALF = 16 };

// A decoded block of a tile.
struct Panel {
  alignas(64) char codes[BLOCK_COLUMNS * TILE_ROWS];     // [64 steps][16 rows][4]
  alignas(64) float scales[2 * SUB_BLOCKS * TILE_ROWS]; // [sub-block or half][16 rows]
  alignas(64) float d[TILE_ROWS];

  char* step(int number, int part = 0) { return codes + (number * TILE_ROWS + part * vec::WIDTH) * 4; }
  void store(int number, int part, vec::Ints four) { vec::store((int32_t*)step(number, part), four); }
};

// The codes of a panel as those of a packed tile.
template <int LARGEST_CODE>
struct PanelCodes {
  static constexpr int BYTES = BLOCK * TILE_ROWS, LARGEST = LARGEST_CODE;

  template <int STEP>
  static vec::Ints get(const char* weights) {
    return vec::load_ints(weights + STEP * 4 * TILE_ROWS);
  }
};

template <int DIVISOR>
static inline void decode_d(const char* block, Panel& panel) {
  for (int p = 0; p < PARTS; p++) {
    vec::Floats d = vec::load_f16(block + p * 2 * vec::WIDTH);
    vec::store(panel.d + p * vec::WIDTH, vec::multiply(d, vec::broadcast(1.0f / DIVISOR)));
  }
}

// Indices of a grid, for each a byte and HIGH bits, and a byte of signs for each 8 columns. HIGH is 4 where the grid is
// shifted: 3 bits, and whether the shift is up. In a tile: d [16 rows]; nibbles of scales, high bits, low bytes of indices
// and signs, each [bytes of a row][16 rows].
template <int TYPE, int HIGH, ScaledColumns SCALED_COLUMNS>
struct GridTile {
  using Stored = GridBlock<TYPE>;
  using Codes = PanelCodes<Stored::LARGEST>;
  static constexpr int OFFSET = Stored::OFFSET;
  static constexpr ScaledColumns SCALED = SCALED_COLUMNS;
  static constexpr int SCALES = BLOCK_COLUMNS / SCALED, INDICES = BLOCK_COLUMNS / Stored::COLUMNS;
  static constexpr int SCALES_AT = 2 * TILE_ROWS, HIGH_AT = SCALES_AT + SCALES / 2 * TILE_ROWS;
  static constexpr int LOW_AT = HIGH_AT + INDICES * HIGH / 8 * TILE_ROWS, SIGNS_AT = LOW_AT + INDICES * TILE_ROWS;
  static constexpr int BYTES = SIGNS_AT + (Stored::SHIFTED ? 0 : BLOCK_COLUMNS / 8 * TILE_ROWS);

  static void pack(const uint8_t* stored, uint8_t* block, int r) {
    ((uint16_t*)block)[r] = Stored::d(stored);
    for (int i = 0; i < SCALES; i++) {
      block[SCALES_AT + i / 2 * TILE_ROWS + r] |= Stored::scale(stored, i * SCALED / HALF) << i % 2 * 4;
    }
    for (int i = 0; i < INDICES; i++) {
      int index = Stored::index(stored, i);
      if (Stored::SHIFTED) index |= (Stored::signs(stored, i) & 1) << 11;
      block[LOW_AT + i * TILE_ROWS + r] = (uint8_t)index;
      if constexpr (HIGH > 0) {
        constexpr int PER_BYTE = 8 / HIGH;
        block[HIGH_AT + i / PER_BYTE * TILE_ROWS + r] |= index >> 8 << i % PER_BYTE * HIGH;
      }
    }
    for (int i = 0; !Stored::SHIFTED && i < BLOCK_COLUMNS / 8; i++) {
      block[SIGNS_AT + i * TILE_ROWS + r] = Stored::signs(stored, i);
    }
  }

  static void decode(const char* block, Panel& panel) {
    decode_d<Stored::DIVISOR>(block, panel);
    for (int i = 0; i < SCALES; i++) {
      for (int p = 0; p < PARTS; p++) {
        vec::Ints both = vec::load_bytes(block + SCALES_AT + i / 2 * TILE_ROWS + p * vec::WIDTH);
        if (i % 2 != 0) both = vec::shift_right_pairs<4>(both);
        vec::Ints scale = vec::bit_or(vec::shift_left<1>(vec::bit_and(both, vec::ints(15))), vec::ints(1));
        vec::store(panel.scales + i * TILE_ROWS + p * vec::WIDTH, vec::to_floats(scale));
      }
    }
    for (int eight = 0; eight < BLOCK_COLUMNS / 8; eight++) {
      decode_eight(block, eight, panel);
    }
  }

 private:
  // Columns 8 · eight to 8 · eight + 7.
  __attribute__((always_inline)) static inline void decode_eight(const char* block, int eight, Panel& panel) {
    constexpr int NUMBER = 8 / Stored::COLUMNS;
    Index indices[NUMBER][TILE_ROWS];
    uint8_t shifts[TILE_ROWS];
    for (int i = 0; i < NUMBER; i++) {
      read_indices((const uint8_t*)block, NUMBER * eight + i, indices[i], shifts);
    }
    const uint8_t* bits = Stored::SHIFTED ? shifts : (const uint8_t*)block + SIGNS_AT + eight * TILE_ROWS;
    for (int p = 0; p < PARTS; p++) {
      vec::Ints first, second, set_first, set_second;
      if constexpr (NUMBER == 1) {
        vec::look_up_eight(TABLE.of, indices[0] + p * vec::WIDTH, first, second);
      } else {
        first = vec::look_up_four(TABLE.of, indices[0] + p * vec::WIDTH);
        second = vec::look_up_four(TABLE.of, indices[NUMBER - 1] + p * vec::WIDTH);
      }
      vec::spread_bits(bits + p * vec::WIDTH, set_first, set_second);
      panel.store(2 * eight, p, code(first, set_first));
      panel.store(2 * eight + 1, p, code(second, set_second));
    }
  }

  using Index = std::conditional_t<HIGH == 0, uint8_t, uint16_t>;
  using Entry = std::conditional_t<Stored::COLUMNS == 8, uint64_t, uint32_t>;
  alignas(64) static constexpr GridTable<Entry, Stored::ENTRIES> TABLE = grid_table<Stored, Entry>();

  __attribute__((always_inline)) static inline void read_indices(const uint8_t* block, int number, Index* indices,
                                                                 uint8_t* shifts) {
    const uint8_t* low = block + LOW_AT + number * TILE_ROWS;
    if constexpr (HIGH == 0) {
      __builtin_memcpy(indices, low, TILE_ROWS);
    } else {
      // Whole words are shifted: what comes from the next row is masked.
      constexpr int PER_BYTE = 8 / HIGH, MASK = Stored::SHIFTED ? 7 : (1 << HIGH) - 1;
      Words shifted = load<Words>(block + HIGH_AT + number / PER_BYTE * TILE_ROWS) >> number % PER_BYTE * HIGH;
      Bytes lower = load<Bytes>(low), upper = (Bytes)shifted & (uint8_t)MASK;
      Bytes first = __builtin_shuffle(lower, upper, FIRST_ROWS), last = __builtin_shuffle(lower, upper, FIRST_ROWS + 8);
      __builtin_memcpy(indices, &first, sizeof first);
      __builtin_memcpy(indices + TILE_ROWS / 2, &last, sizeof last);
      if (Stored::SHIFTED) {
        Bytes up = (Bytes)(((Bytes)shifted & (uint8_t)8) != 0);
        __builtin_memcpy(shifts, &up, sizeof up);
      }
    }
  }

  // The codes of magnitudes, of which some are negative, or shifted up.
  static vec::Ints code(vec::Ints magnitudes, vec::Ints set) {
    if (Stored::SHIFTED) return vec::bit_or(magnitudes, vec::bit_and(set, vec::bytes(2)));
    vec::Ints signs = vec::subtract_bytes(vec::bytes(OFFSET), set);
    return vec::add_bytes(vec::bit_xor(magnitudes, set), signs);
  }
};

// Digits of a byte are columns of several steps: in a tile four bytes of each row are one lane.
static inline void pack_fours(const uint8_t* stored, int count, uint8_t* fours, int r) {
  for (int i = 0; i < count; i++) {
    __builtin_memcpy(fours + (i * TILE_ROWS + r) * 4, stored + 4 * i, 4);
  }
}

// In a tile: d [16 rows], [13][16 rows][4] bytes of five digits.
struct Tq1Tile {
  using Codes = PanelCodes<2>;
  static constexpr int OFFSET = 1, BYTES = 54 * TILE_ROWS;
  static constexpr ScaledColumns SCALED = NONE;

  static void pack(const uint8_t* stored, uint8_t* block, int r) {
    ((uint16_t*)block)[r] = load<uint16_t>(stored + 52);
    pack_fours(stored, 13, block + 2 * TILE_ROWS, r);
  }

  static void decode(const char* block, Panel& panel) {
    decode_d<1>(block, panel);
    for (int i = 0; i < 8; i++) decode_digits<5>(block, i, panel, i, 8);
    for (int i = 0; i < 4; i++) decode_digits<5>(block, 8 + i, panel, 40 + i, 4);
    decode_digits<4>(block, 12, panel, 60, 1);
  }

 private:
  // A byte is a fraction of 256: three times it has a digit above, and the fraction of the next ones below. Even and odd
  // bytes have 16 bits each.
  template <int DIGITS>
  static void decode_digits(const char* block, int number, Panel& panel, int step, int apart) {
    const vec::Ints byte = vec::pairs(255);
    for (int p = 0; p < PARTS; p++) {
      vec::Ints four = vec::load_unaligned(block + 2 * TILE_ROWS + (number * TILE_ROWS + p * vec::WIDTH) * 4);
      vec::Ints even = vec::bit_and(four, byte), odd = vec::shift_right_pairs<8>(four);
      for (int digit = 0; digit < DIGITS; digit++) {
        even = vec::add(vec::add(even, even), even);
        odd = vec::add(vec::add(odd, odd), odd);
        vec::Ints above = vec::shift_left_pairs<8>(vec::shift_right_pairs<8>(odd));
        panel.store(step + digit * apart, p, vec::bit_or(vec::shift_right_pairs<8>(even), above));
        even = vec::bit_and(even, byte);
        odd = vec::bit_and(odd, byte);
      }
    }
  }
};

// In a tile: d [16 rows], [16][16 rows][4] bytes of four codes.
struct Tq2Tile {
  using Codes = PanelCodes<3>;
  static constexpr int OFFSET = 1, BYTES = 66 * TILE_ROWS;
  static constexpr ScaledColumns SCALED = NONE;

  static void pack(const uint8_t* stored, uint8_t* block, int r) {
    ((uint16_t*)block)[r] = load<uint16_t>(stored + 64);
    pack_fours(stored, 16, block + 2 * TILE_ROWS, r);
  }

  static void decode(const char* block, Panel& panel) {
    decode_d<1>(block, panel);
    for (int i = 0; i < 16; i++) {
      for (int p = 0; p < PARTS; p++) {
        vec::Ints four = vec::load_unaligned(block + 2 * TILE_ROWS + (i * TILE_ROWS + p * vec::WIDTH) * 4);
        int step = i / 8 * 32 + i % 8;
        panel.store(step, p, vec::bit_and(four, vec::bytes(3)));
        panel.store(step + 8, p, vec::bit_and(vec::shift_right_pairs<2>(four), vec::bytes(3)));
        panel.store(step + 16, p, vec::bit_and(vec::shift_right_pairs<4>(four), vec::bytes(3)));
        panel.store(step + 24, p, vec::bit_and(vec::shift_right_pairs<6>(four), vec::bytes(3)));
      }
    }
  }
};

// The block of G tiles that is decoded.
template <int G>
struct Panels {
  Panel of[G];
  int from, to; // sub-blocks that are multiplied
  bool first;   // whether sums begin with this block: else they are in the outputs
};

// Adds a block to the sums of N tokens.
template <class Tile, int G>
struct PanelProduct {
  template <int N>
  static void tokens(const MatmulArguments& a, const char* x, const char* decoded, int rows, float* out) {
    const Panels<G>& panels = *(const Panels<G>*)decoded;
    Int8Rows<N> row(a, x);
    Sums<N> sum[G];
    for (int g = 0; g < G; g++) {
      if (panels.first) {
        sum[g].clear();
      } else {
        sum[g].load(out + g * TILE_ROWS, a.out_stride, g + 1 < G ? TILE_ROWS : rows);
      }
    }
    for (int sub_block = panels.from; sub_block < panels.to; sub_block++) {
      for (int r = 0; r < G * PARTS; r += H) {
        if constexpr (Tile::SCALED == HALF) {
          add_halves(row, panels, sub_block, r, sum);
        } else {
          add_whole(row, panels, sub_block, r, sum);
        }
        forget_loads();
      }
      row.next();
    }
    store_all(sum, out, a.out_stride, rows);
  }

 private:
  using Codes = typename Tile::Codes;
  static constexpr int REMAINING = REMAINING_OFFSET<Codes, Tile::OFFSET>, H = AT_ONCE<G>;

  static const char* codes(const Panels<G>& panels, int sub_block) {
    return panels.of[0].codes + sub_block * Codes::BYTES;
  }

  // The sums of H registers of rows, from `r` on.
  template <int N>
  __attribute__((always_inline)) static inline void add_whole(const Int8Rows<N>& row, const Panels<G>& panels, int sub_block,
                                                              int r, Sums<N>* sum) {
    Dots<H, N> dots;
    begin<REMAINING>(row, dots);
    add_dots<Codes, 0, STEPS>(row.of, codes(panels, sub_block), r, sizeof(Panel), dots);
    for (int h = 0; h < H; h++) {
      const Panel& panel = panels.of[(r + h) / PARTS];
      int part = (r + h) % PARTS;
      vec::Floats d = vec::load(panel.d + part * vec::WIDTH);
      for (int t = 0; t < N; t++) {
        vec::Floats total = vec::to_floats(dots.of[h][t]);
        if (Tile::SCALED != NONE) {
          total = vec::multiply(total, vec::load(panel.scales + sub_block * TILE_ROWS + part * vec::WIDTH));
        }
        vec::Floats both = vec::multiply(d, vec::broadcast(row.of[t]->scale));
        sum_of(sum, r + h, t) = vec::fma(both, total, sum_of(sum, r + h, t));
      }
    }
  }

  // One tile: beside two there is no room for the sums of half a block.
  template <int N>
  __attribute__((always_inline)) static inline void add_halves(const Int8Rows<N>& row, const Panels<G>& panels, int sub_block,
                                                               int r, Sums<N>* sum) {
    static_assert(G == 1);
    const Panel& panel = panels.of[0];
    vec::Floats total[H][N];
    Dots<H, N> dots;
    begin_half<REMAINING, 0>(row, dots);
    add_dots<Codes, 0, STEPS / 2>(row.of, codes(panels, sub_block), r, 0, dots);
    const float* scales = panel.scales + 2 * sub_block * TILE_ROWS;
    for (int h = 0; h < H; h++) {
      vec::Floats first = vec::load(scales + (r + h) * vec::WIDTH);
      for (int t = 0; t < N; t++) {
        total[h][t] = vec::multiply(vec::to_floats(dots.of[h][t]), first);
      }
    }
    begin_half<REMAINING, 1>(row, dots);
    add_dots<Codes, STEPS / 2, STEPS>(row.of, codes(panels, sub_block), r, 0, dots);
    for (int h = 0; h < H; h++) {
      vec::Floats second = vec::load(scales + TILE_ROWS + (r + h) * vec::WIDTH);
      vec::Floats d = vec::load(panel.d + (r + h) * vec::WIDTH);
      for (int t = 0; t < N; t++) {
        vec::Floats whole = vec::fma(vec::to_floats(dots.of[h][t]), second, total[h][t]); // integers below 2^24, exact
        vec::Floats both = vec::multiply(d, vec::broadcast(row.of[t]->scale));
        sum_of(sum, r + h, t) = vec::fma(both, whole, sum_of(sum, r + h, t));
      }
    }
  }
};

// Multiplies all tokens by G tiles, one block after another.
template <class Tile, int G>
static inline void multiply_decoded(const MatmulArguments& a, int tile) {
  Panels<G> panels;
  const char* block = a.weight + tile * a.tile_bytes;
  int rows = rows_of_tile(a.rows, tile + G - 1);
  MatmulArguments own = a;
  own.weight = (const char*)&panels;
  own.out += tile * TILE_ROWS;
  int column = a.skipped, end = a.skipped + a.columns;
  // Once without columns, too: the sums are zero then.
  do {
    for (int g = 0; g < G; g++) {
      fetch_ahead<Tile::BYTES>(block + g * a.tile_bytes);
      Tile::decode(block + g * a.tile_bytes, panels.of[g]);
    }
    int next = (column / BLOCK_COLUMNS + 1) * BLOCK_COLUMNS;
    panels.from = column % BLOCK_COLUMNS / BLOCK;
    panels.to = panels.from + ((next < end ? next : end) - column) / BLOCK;
    panels.first = column == a.skipped;
    if constexpr (G > 1) {
      multiply_evenly<PanelProduct<Tile, G>>(own, 0, rows);
    } else {
      multiply_tokens<PanelProduct<Tile, G>>(own, 0, rows);
    }
    own.x += (panels.to - panels.from) * sizeof(Int8Block);
    block += Tile::BYTES;
    column = next;
  } while (column < end);
}

template <class Tile>
static inline void multiply_grid(const MatmulArguments& a, int tile_from, int tile_to) {
  int tile = tile_from;
  constexpr int TILES = Tile::SCALED == HALF ? 1 : INT8_TILES;
  if (TILES > 1 && a.tokens >= FEWEST_TOKENS) {
    for (; tile + TILES <= tile_to; tile += TILES) {
      multiply_decoded<Tile, TILES>(a, tile);
    }
  }
  for (; tile < tile_to; tile++) {
    multiply_decoded<Tile, 1>(a, tile);
  }
}

template <class Tile, int STORED_BYTES>
static void pack_blocks(const PackArguments& a, char* target, int number) {
  int blocks = (a.skipped + a.columns + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = a.row(number * TILE_ROWS + r);
    for (int block = 0; row && block < blocks; block++) {
      Tile::pack((const uint8_t*)row + (int64_t)block * STORED_BYTES, (uint8_t*)target + (int64_t)block * Tile::BYTES, r);
    }
  }
}

using Iq1S = GridTile<TYPE_IQ1_S, 4, SUB_BLOCK>;
using Iq1M = GridTile<TYPE_IQ1_M, 4, HALF>;
using Iq2Xxs = GridTile<TYPE_IQ2_XXS, 0, SUB_BLOCK>;
using Iq2Xs = GridTile<TYPE_IQ2_XS, 1, HALF>;
using Iq2S = GridTile<TYPE_IQ2_S, 2, HALF>;
using Iq3Xxs = GridTile<TYPE_IQ3_XXS, 0, SUB_BLOCK>;
using Iq3S = GridTile<TYPE_IQ3_S, 1, SUB_BLOCK>;

static void pack_tile(const PackArguments& a, char* target, int number) {
  switch (a.type) {
    case TYPE_IQ1_S: pack_blocks<Iq1S, 50>(a, target, number); break;
    case TYPE_IQ1_M: pack_blocks<Iq1M, 56>(a, target, number); break;
    case TYPE_IQ2_XXS: pack_blocks<Iq2Xxs, 66>(a, target, number); break;
    case TYPE_IQ2_XS: pack_blocks<Iq2Xs, 74>(a, target, number); break;
    case TYPE_IQ2_S: pack_blocks<Iq2S, 82>(a, target, number); break;
    case TYPE_IQ3_XXS: pack_blocks<Iq3Xxs, 98>(a, target, number); break;
    case TYPE_IQ3_S: pack_blocks<Iq3S, 110>(a, target, number); break;
    case TYPE_TQ1_0: pack_blocks<Tq1Tile, 54>(a, target, number); break;
    case TYPE_TQ2_0: pack_blocks<Tq2Tile, 66>(a, target, number); break;
  }
}

LOCKSTEP_MATMUL_BY(lockstep_matmul_iq1_s, multiply_grid<Iq1S>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_iq1_m, multiply_grid<Iq1M>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_iq2_xxs, multiply_grid<Iq2Xxs>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_iq2_xs, multiply_grid<Iq2Xs>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_iq2_s, multiply_grid<Iq2S>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_iq3_xxs, multiply_grid<Iq3Xxs>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_iq3_s, multiply_grid<Iq3S>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_tq1_0, multiply_grid<Tq1Tile>)
LOCKSTEP_MATMUL_BY(lockstep_matmul_tq2_0, multiply_grid<Tq2Tile>)
LOCKSTEP_PACK(lockstep_pack_grid, pack_tile)
