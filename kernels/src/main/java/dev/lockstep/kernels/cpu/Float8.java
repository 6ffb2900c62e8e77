// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// Floats of 8 bits: sign, 4 bits of exponent, 3 of mantissa, without infinities (OCP FP8, E4M3).
/// The twin of `float8.h`.
final class Float8 {
    /// The sign and the 7 bits of a magnitude, as they stand in an f32 whose exponent is 120 too
    /// small.
    static final int MASK = 0x87F00000;

    /// The power of two that corrects the exponent, of subnormal codes too.
    static final float CORRECTION = 0x1p120f;

    private static final int MAGNITUDE = 0x7F;

    private Float8() {}

    static float value(int code) {
        return (code & MAGNITUDE) == MAGNITUDE
                ? Float.NaN
                : Float.intBitsToFloat((byte) code << 20 & MASK) * CORRECTION;
    }

    /// Returns whether any of four codes is a NaN.
    static boolean anyNaN(int four) {
        boolean any = false;
        for (int i = 0; i < 32; i += 8) {
            any |= (four >>> i & MAGNITUDE) == MAGNITUDE;
        }
        return any;
    }
}
