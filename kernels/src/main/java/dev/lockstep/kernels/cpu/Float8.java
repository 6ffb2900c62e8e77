// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// Floats of 8 bits: sign, 4 bits of exponent, 3 of mantissa, without infinities (OCP FP8, E4M3).
/// The twin of `float8.h` and of `load_e4m3` in `vector.h`.
final class Float8 {
    /// The sign and the 7 bits of a magnitude, as they stand in an f32 whose exponent is 120 too
    /// small.
    static final int MASK = 0x87F00000;

    /// The power of two that corrects the exponent, of subnormal codes too.
    static final float CORRECTION = 0x1p120f;

    private static final int MAGNITUDE = 0x7F;

    private static final float LARGEST = 448;
    private static final float SMALLEST_NORMAL = 0x1p-6f;
    // Codes of subnormal numbers count 2^-9, the last place of 2^14.
    private static final float SHIFT = 0x1p14f;
    private static final int HALF_MASK = 0xBFFF;

    private Float8() {}

    static float value(int code) {
        return (code & MAGNITUDE) == MAGNITUDE
                ? Float.NaN
                : Float.intBitsToFloat((byte) code << 20 & MASK) * CORRECTION;
    }

    /// Returns the nearest code, half to even; that of the largest number for what is larger, and
    /// for a NaN.
    static byte nearest(float x) {
        int all = Float.floatToRawIntBits(x);
        float magnitude = Float.intBitsToFloat(all & Integer.MAX_VALUE);
        magnitude = magnitude < LARGEST ? magnitude : LARGEST;
        int bits = Float.floatToRawIntBits(magnitude);
        // 3 bits of mantissa stay; the bias of the exponent becomes 7.
        int normal = ((bits + 0x7FFFF + (bits >>> 20 & 1)) >>> 20) - (120 << 3);
        int subnormal = Float.floatToRawIntBits(magnitude + SHIFT) - Float.floatToRawIntBits(SHIFT);
        return (byte) ((all >>> 24 & 0x80) | (magnitude < SMALLEST_NORMAL ? subnormal : normal));
    }

    /// Returns the value of a code that is no NaN, times 2^-8: sign and magnitude, moved to those
    /// of an f16.
    static float reduced(byte code) {
        return Float.float16ToFloat((short) (code << 7 & HALF_MASK));
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
