// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.junit.jupiter.api.Test;

/// Checks the known answers that the authors publish with Random123.
final class PhiloxTest {

    @Test
    void zerosGiveThePublishedWords() {
        requireWords(0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    }

    @Test
    void onesGiveThePublishedWords() {
        requireWords(-1L, -1, -1, -1, -1, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    }

    @Test
    void digitsOfPiGiveThePublishedWords() {
        requireWords(
                0x299f31d0_a4093822L,
                0x243f6a88,
                0x85a308d3,
                0x13198a2e,
                0x03707344,
                0xd16cfe09,
                0x94fdcceb,
                0x5001e420,
                0x24126ea1);
    }

    private static void requireWords(long key, int c0, int c1, int c2, int c3, int... expected) {
        int[] words = new int[4];
        Philox.generate(key, c0, c1, c2, c3, words);
        assertArrayEquals(expected, words);
    }
}
