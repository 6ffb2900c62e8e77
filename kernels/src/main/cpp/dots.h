// SPDX-License-Identifier: Apache-2.0
// Integer sums of codes times int8 activations, for each token and each row of a register. Every instruction set computes
// the same integers.
//
// `Codes` has LARGEST, the greatest code, and `get<STEP>(weights)`: the codes of columns 4 · STEP … 4 · STEP + 3, four
// bytes for each row. Weights of G tiles are `tile_bytes` apart.
#pragma once

#include "int8.h"

constexpr int STEPS = BLOCK / 4;

// Sums of N tokens and a register of rows of each of G tiles.
template <int G, int N>
struct Dots {
  vec::Ints of[G][N];
};

#ifdef LOCKSTEP_BYTE_DOTS

// What add_dots leaves to be subtracted of an offset of the codes, times the sum of the activations.
template <class Codes, int OFFSET>
constexpr int REMAINING_OFFSET = OFFSET;

// dots += codes of steps [STEP, END) · activations.
template <class Codes, int G, int N, int STEP, int END>
__attribute__((always_inline)) static inline void add_dots(const Int8Block* const* row, const char* weights,
                                                           int64_t tile_bytes, Dots<G, N>& dots) {
  if constexpr (STEP < END) {
    vec::Ints codes[G];
    for (int g = 0; g < G; g++) {
      codes[g] = Codes::template get<STEP>(weights + g * tile_bytes);
    }
    for (int t = 0; t < N; t++) {
      if constexpr (G == 1) {
        vec::dot4(dots.of[0][t], codes[0], row[t]->value + STEP * 4);
      } else {
        vec::Ints four = vec::four_bytes(row[t]->value + STEP * 4);
        for (int g = 0; g < G; g++) {
          vec::dot4(dots.of[g][t], codes[g], four);
        }
      }
    }
    add_dots<Codes, G, N, STEP + 1, END>(row, weights, tile_bytes, dots);
  }
}

#else

// An instruction adds two products in 16 bits, and saturates. So many steps fit before they are widened; none where codes
// need eight bits. Those are made signed, by subtracting 128, and one step of them fits.
template <class Codes>
constexpr int STEPS_THAT_FIT = 32767 / (2 * 127 * Codes::LARGEST);

template <class Codes, int OFFSET>
constexpr int REMAINING_OFFSET = STEPS_THAT_FIT<Codes> == 0 ? OFFSET - 128 : OFFSET;

// pairs[t] += products of steps [STEP, END), in 16 bits.
template <class Codes, int N, int STEP, int END>
__attribute__((always_inline)) static inline void add_pairs(const Int8Block* const* row, const char* weights,
                                                            vec::Ints* pairs) {
  if constexpr (STEP < END) {
    vec::Ints codes = Codes::template get<STEP>(weights);
    for (int t = 0; t < N; t++) {
      pairs[t] = vec::add_pairs(pairs[t], vec::multiply_bytes(codes, row[t]->value + STEP * 4));
    }
    add_pairs<Codes, N, STEP + 1, END>(row, weights, pairs);
  }
}

template <class Codes, int G, int N, int STEP, int END>
__attribute__((always_inline)) static inline void add_dots(const Int8Block* const* row, const char* weights,
                                                           int64_t tile_bytes, Dots<G, N>& dots) {
  static_assert(G == 1, "registers suffice for one tile");
  if constexpr (STEP < END) {
    const vec::Ints ones = vec::pairs(1);
    vec::Ints* dot = dots.of[0];
    if constexpr (STEPS_THAT_FIT<Codes> == 0) {
      vec::SignedBytes codes(vec::bit_xor(Codes::template get<STEP>(weights), vec::bytes(0x80)));
      for (int t = 0; t < N; t++) {
        vec::Ints pairs = vec::multiply_signed_bytes(codes, row[t]->value + STEP * 4);
        dot[t] = vec::add(dot[t], vec::multiply_pairs(pairs, ones));
      }
      add_dots<Codes, G, N, STEP + 1, END>(row, weights, tile_bytes, dots);
    } else {
      constexpr int NEXT = STEP + STEPS_THAT_FIT<Codes> < END ? STEP + STEPS_THAT_FIT<Codes> : END;
      vec::Ints codes = Codes::template get<STEP>(weights);
      vec::Ints pairs[N];
      for (int t = 0; t < N; t++) {
        pairs[t] = vec::multiply_bytes(codes, row[t]->value + STEP * 4);
      }
      add_pairs<Codes, N, STEP + 1, NEXT>(row, weights, pairs);
      for (int t = 0; t < N; t++) {
        dot[t] = vec::add(dot[t], vec::multiply_pairs(pairs[t], ones));
      }
      add_dots<Codes, G, N, NEXT, END>(row, weights, tile_bytes, dots);
    }
  }
}

#endif
