// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// Rounding to the upper 16 bits of a 32-bit float.
public final class Bfloat16 {
    private Bfloat16() {}

    /// Rounds half to even; a NaN stays a NaN.
    public static short of(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
    }
}
