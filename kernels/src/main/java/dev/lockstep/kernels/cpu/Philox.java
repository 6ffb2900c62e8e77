// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// Philox-4x32-10 (Salmon et al., 2011): a counter and a key become four random words. It has no
/// state, so that a random number is addressed, not carried (law 5).
final class Philox {
    private static final int MULTIPLIER_0 = 0xD2511F53;
    private static final int MULTIPLIER_1 = 0xCD9E8D57;
    private static final int KEY_STEP_0 = 0x9E3779B9;
    private static final int KEY_STEP_1 = 0xBB67AE85;
    private static final int ROUNDS = 10;

    private Philox() {}

    /// Writes the four words of counter (c0, c1, c2, c3) to `words`.
    ///
    /// @param key its low half is key word 0
    static void generate(long key, int c0, int c1, int c2, int c3, int[] words) {
        int key0 = (int) key;
        int key1 = (int) (key >>> 32);
        int x0 = c0;
        int x1 = c1;
        int x2 = c2;
        int x3 = c3;
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = Integer.toUnsignedLong(x0) * Integer.toUnsignedLong(MULTIPLIER_0);
            long product1 = Integer.toUnsignedLong(x2) * Integer.toUnsignedLong(MULTIPLIER_1);
            x0 = (int) (product1 >>> 32) ^ x1 ^ key0;
            x1 = (int) product1;
            x2 = (int) (product0 >>> 32) ^ x3 ^ key1;
            x3 = (int) product0;
            key0 += KEY_STEP_0;
            key1 += KEY_STEP_1;
        }
        words[0] = x0;
        words[1] = x1;
        words[2] = x2;
        words[3] = x3;
    }
}
