// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The noise of a token, a function of (seed, choice, position, token id) only (law 5).
///
/// The key is the seed. Word 1 of the counter is the position, word 2 the choice; word 0 and the
/// output word distinguish the tokens, in the order that suits sixteen lanes: of 64 tokens, token
/// 16w + j has output word w of counter j. `sampling.cpp` computes the same.
final class Gumbel {
    private static final double SQRT_2 = 1.4142135623730951;
    private static final double LN_2 = 0.6931471805599453;

    private Gumbel() {}

    static double noise(long seed, int choice, int position, int token, int[] words) {
        int counter = token / SamplingOps.CHUNK * VectorLanes.COUNT + token % VectorLanes.COUNT;
        Philox.generate(seed, counter, position, choice, 0, words);
        return ofWord(words[token % SamplingOps.CHUNK / VectorLanes.COUNT]);
    }

    /// Returns `-log(-log u)` for u = (word + ½) / 2^32, which is neither 0 nor 1.
    static double ofWord(int word) {
        double u = (Integer.toUnsignedLong(word) + 0.5) * 0x1p-32;
        return -logarithm(-logarithm(u));
    }

    /// Returns the natural logarithm within a few ulp, from operations that IEEE 754 rounds
    /// exactly: Java's own may differ from a libm's, and between machines.
    ///
    /// @param x normal and positive
    static double logarithm(double x) {
        long bits = Double.doubleToRawLongBits(x);
        long exponent = (bits >>> 52) - 1023;
        double m = Double.longBitsToDouble((bits & 0xFFFFFFFFFFFFFL) | 0x3FF0000000000000L);
        if (m > SQRT_2) {
            m *= 0.5;
            exponent++;
        }
        // log m = 2 artanh((m - 1) / (m + 1)), |s| < 0.172.
        double s = (m - 1.0) / (m + 1.0);
        double t = s * s;
        double p = 1.0 / 21.0;
        p = p * t + 1.0 / 19.0;
        p = p * t + 1.0 / 17.0;
        p = p * t + 1.0 / 15.0;
        p = p * t + 1.0 / 13.0;
        p = p * t + 1.0 / 11.0;
        p = p * t + 1.0 / 9.0;
        p = p * t + 1.0 / 7.0;
        p = p * t + 1.0 / 5.0;
        p = p * t + 1.0 / 3.0;
        p = p * t + 1.0;
        return exponent * LN_2 + 2.0 * s * p;
    }
}
