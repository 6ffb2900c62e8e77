// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.util.Arrays;

/// Small floats as codes: a sign, an exponent and a mantissa.
///
/// @param magnitudes of the codes without a sign, ascending
/// @param sign the bit of negative codes
record FloatCodes(float[] magnitudes, int sign) {
    /// FP8 of 4 bits of exponent and 3 of mantissa; the largest code is no number.
    static final FloatCodes E4M3 = of(3, 7, 127, 0x80);

    /// 2 bits of exponent and 1 of mantissa.
    static final FloatCodes E2M1 = of(1, 1, 8, 8);

    private static FloatCodes of(int mantissaBits, int bias, int count, int sign) {
        float[] magnitudes = new float[count];
        int steps = 1 << mantissaBits;
        for (int code = 0; code < count; code++) {
            int exponent = code >> mantissaBits;
            float mantissa = (float) (code % steps) / steps;
            magnitudes[code] =
                    exponent == 0
                            ? Math.scalb(mantissa, 1 - bias)
                            : Math.scalb(1 + mantissa, exponent - bias);
        }
        return new FloatCodes(magnitudes, sign);
    }

    float largest() {
        return magnitudes[magnitudes.length - 1];
    }

    /// Returns the code nearest to `x`, the even one of two.
    int nearest(float x) {
        float magnitude = Math.abs(x);
        int found = Arrays.binarySearch(magnitudes, magnitude);
        int code = found;
        if (found < 0) {
            int above = Math.min(-found - 1, magnitudes.length - 1);
            int below = Math.max(above - 1, 0);
            double down = (double) magnitude - magnitudes[below];
            double up = (double) magnitudes[above] - magnitude;
            code = down < up || (down == up && below % 2 == 0) ? below : above;
        }
        return x < 0 ? code | sign : code;
    }

    float value(int code) {
        float magnitude = magnitudes[code & (sign - 1)];
        return (code & sign) != 0 ? -magnitude : magnitude;
    }
}
