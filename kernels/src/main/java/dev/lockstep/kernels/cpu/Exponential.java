// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// e^x within 2 ulp in [-87, 88], 0 below, e^88 above; bitwise equal to that of `lanes.h` and of
/// [VectorExponential].
///
/// x = n·ln 2 + r. Adding 1.5·2^23 rounds x / ln 2 to n, half to even, and leaves n in the low bits
/// of the sum; the polynomial in r was fitted at Chebyshev nodes.
final class Exponential {
    static final float MIN = -87;
    static final float MAX = 88;
    static final float SHIFT = 0x1.8p23f;
    static final float PER_LN2 = 0x1.715476p0f;
    static final float LN2_HIGH = 0x1.62e43p-1f;
    static final float LN2_LOW = -0x1.05c61p-29f;
    static final float C6 = 0x1.6d113ep-10f;
    static final float C5 = 0x1.120ba2p-7f;
    static final float C4 = 0x1.55551ap-5f;
    static final float C3 = 0x1.5554dcp-3f;
    static final float C2 = 0.5f;

    private Exponential() {}

    static float of(float x) {
        float bounded = Math.min(x, MAX);
        float shifted = Math.fma(bounded, PER_LN2, SHIFT);
        float n = shifted - SHIFT;
        float r = Math.fma(n, -LN2_HIGH, bounded);
        r = Math.fma(n, -LN2_LOW, r);
        float p = Math.fma(C6, r, C5);
        p = Math.fma(p, r, C4);
        p = Math.fma(p, r, C3);
        p = Math.fma(p, r, C2);
        p = Math.fma(r * r, p, r + 1);
        int power = Float.floatToRawIntBits(shifted) << 23;
        return x < MIN ? 0 : Float.intBitsToFloat(Float.floatToRawIntBits(p) + power);
    }
}
