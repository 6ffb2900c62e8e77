// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The rounding of values to the float types of tensors, half to even.
public final class Rounding {
    private Rounding() {}

    /// Returns `value` as a tensor of that type stores it.
    public static float of(float value, DType type) {
        return switch (type) {
            case F32 -> value;
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            case BF16 -> fromBf16(toBf16(value));
            case FP8 -> (float) toE4m3(value);
            case I32, I8 -> throw new IllegalArgumentException(type + " stores no floats");
        };
    }

    public static float[] of(float[] values, DType type) {
        float[] rounded = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            rounded[i] = of(values[i], type);
        }
        return rounded;
    }

    /// Returns half a unit in the last place, relative to the value.
    public static double unit(DType type) {
        return switch (type) {
            case F32 -> 0x1p-24;
            case F16 -> 0x1p-11;
            case BF16 -> 0x1p-8;
            case FP8 -> 0x1p-4;
            case I32, I8 -> throw new IllegalArgumentException(type + " stores no floats");
        };
    }

    /// Returns the nearest value of E4M3, half to even, at most 448.
    public static double toE4m3(double value) {
        double step = stepOfE4m3(value);
        return Math.clamp(Math.rint(value / step) * step, -448, 448);
    }

    /// Returns the distance of neighbouring values of E4M3 around `value`.
    public static double stepOfE4m3(double value) {
        return Math.scalb(1.0, Math.clamp(Math.getExponent(value), -6, 8) - 3);
    }

    /// Requires the element `actual` of a tensor of type `stored` to be within `bound` of the exact
    /// result, besides its rounding to a type shorter than F32.
    ///
    /// @param bound of F32 arithmetic, with the rounding of its result to F32
    public static void requireClose(
            double expected,
            double actual,
            double bound,
            DType stored,
            Supplier<@Nullable String> what) {
        double tolerance =
                stored == DType.F32 ? bound : bound + unit(stored) * (Math.abs(expected) + bound);
        assertEquals(expected, actual, tolerance, what);
    }

    public static void requireClose(double expected, double actual, double bound, DType stored) {
        requireClose(expected, actual, bound, stored, () -> "stored as " + stored);
    }

    /// Returns the bits of the nearest bf16.
    public static short toBf16(float value) {
        if (Float.isNaN(value)) {
            return 0x7FC0;
        }
        int bits = Float.floatToRawIntBits(value);
        int kept = bits >>> 16;
        int rest = bits & 0xFFFF;
        boolean up = rest > 0x8000 || (rest == 0x8000 && (kept & 1) == 1);
        return (short) (up ? kept + 1 : kept);
    }

    static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }
}
