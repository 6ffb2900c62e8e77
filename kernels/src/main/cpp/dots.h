// SPDX-License-Identifier: Apache-2.0
// Integer sums of codes times int8 activations, for each token and each row of a register. Every instruction set computes
// the same integers.
//
// `Codes` has LARGEST, the greatest code, and `get<STEP>(weights)`: the codes of columns 4 · STEP … 4 · STEP + 3, four
// bytes for each row. Weights of the next register of rows are `distance` bytes further.
#pragma once

#include "int8.h"

constexpr int STEPS = BLOCK / 4;

// The compiler would keep what it has loaded for a later use, in more registers than there are.
static inline void forget_loads() {
  if (PARTS > 1) {
    asm volatile("" ::: "memory");
  }
}

// Sums of N tokens and of each of G registers of rows.
template <int G, int N>
struct Dots {
  vec::Ints of[G][N];
};

#ifdef LOCKSTEP_BYTE_DOTS

// What add_dots leaves to be subtracted of an offset of the codes, times the sum of the activations.
template <class Codes, int OFFSET>
constexpr int REMAINING_OFFSET = OFFSET;

// dots += codes of steps [STEP, END) · activations.
template <class Codes, int STEP, int END, int G, int N>
__attribute__((always_inline)) static inline void add_dots(const Int8Block* const* row, const char* weights,
                                                           int64_t distance, Dots<G, N>& dots) {
  if constexpr (STEP < END) {
    vec::Ints codes[G];
    for (int g = 0; g < G; g++) {
      codes[g] = Codes::template get<STEP>(weights + g * distance);
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
    add_dots<Codes, STEP + 1, END>(row, weights, distance, dots);
  }
}

#else

// An instruction adds two products in 16 bits, and saturates. So many steps fit before they are widened; none where codes
// need eight bits. Those are made signed, by subtracting 128, and one step of them fits.
template <class Codes>
constexpr int STEPS_THAT_FIT = 32767 / (2 * 127 * Codes::LARGEST);

template <class Codes, int OFFSET>
constexpr int REMAINING_OFFSET = STEPS_THAT_FIT<Codes> == 0 ? OFFSET - 128 : OFFSET;

// pairs += products of steps [STEP, END), in 16 bits.
template <class Codes, int STEP, int END, int G, int N>
__attribute__((always_inline)) static inline void add_pairs(const Int8Block* const* row, const char* weights,
                                                            int64_t distance, Dots<G, N>& pairs) {
  if constexpr (STEP < END) {
    vec::Ints codes[G];
    for (int g = 0; g < G; g++) {
      codes[g] = Codes::template get<STEP>(weights + g * distance);
    }
    for (int t = 0; t < N; t++) {
      vec::Ints four = vec::four_bytes(row[t]->value + STEP * 4);
      for (int g = 0; g < G; g++) {
        pairs.of[g][t] = vec::add_pairs(pairs.of[g][t], vec::multiply_bytes(codes[g], four));
      }
    }
    forget_loads();
    add_pairs<Codes, STEP + 1, END>(row, weights, distance, pairs);
  }
}

template <class Codes, int STEP, int END, int G, int N>
__attribute__((always_inline)) static inline void add_dots(const Int8Block* const* row, const char* weights,
                                                           int64_t distance, Dots<G, N>& dots) {
  if constexpr (STEP < END) {
    const vec::Ints ones = vec::pairs(1);
    vec::Ints codes[G];
    for (int g = 0; g < G; g++) {
      codes[g] = Codes::template get<STEP>(weights + g * distance);
    }
    if constexpr (STEPS_THAT_FIT<Codes> == 0) {
      vec::SignedBytes bytes[G];
      for (int g = 0; g < G; g++) {
        bytes[g] = vec::signed_bytes(vec::bit_xor(codes[g], vec::bytes(0x80)));
      }
      for (int t = 0; t < N; t++) {
        vec::Ints four = vec::four_bytes(row[t]->value + STEP * 4);
        for (int g = 0; g < G; g++) {
          vec::Ints pairs = vec::multiply_signed_bytes(bytes[g], four);
          dots.of[g][t] = vec::add_in_order(dots.of[g][t], vec::multiply_pairs(pairs, ones));
        }
      }
      add_dots<Codes, STEP + 1, END>(row, weights, distance, dots);
    } else {
      constexpr int NEXT = STEP + STEPS_THAT_FIT<Codes> < END ? STEP + STEPS_THAT_FIT<Codes> : END;
      Dots<G, N> pairs;
      for (int t = 0; t < N; t++) {
        vec::Ints four = vec::four_bytes(row[t]->value + STEP * 4);
        for (int g = 0; g < G; g++) {
          pairs.of[g][t] = vec::multiply_bytes(codes[g], four);
        }
      }
      add_pairs<Codes, STEP + 1, NEXT>(row, weights, distance, pairs);
      for (int t = 0; t < N; t++) {
        for (int g = 0; g < G; g++) {
          dots.of[g][t] = vec::add(dots.of[g][t], vec::multiply_pairs(pairs.of[g][t], ones));
        }
      }
      add_dots<Codes, NEXT, END>(row, weights, distance, dots);
    }
  }
}

#endif
