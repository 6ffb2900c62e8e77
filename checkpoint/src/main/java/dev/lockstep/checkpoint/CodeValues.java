// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The values of codes, by code: short floats and integers of up to 8 bits.
public final class CodeValues {
    private static final float[] E2M1_MAGNITUDES = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

    private static final float[] FP4_TWELFTHS = {0, 0.0625f, 8, 12, 4, 6, 2, 3};

    private CodeValues() {}

    /// Returns unsigned integers minus an offset.
    static float[] unsigned(int bits, int offset) {
        float[] values = new float[1 << bits];
        for (int code = 0; code < values.length; code++) {
            values[code] = code - offset;
        }
        return values;
    }

    /// NF4 (Dettmers et al. 2023): quantiles of the normal distribution, of which the largest
    /// magnitude is 1. Their bits are those that bitsandbytes stores.
    public static float[] normal4() {
        return new float[] {
            -1f,
            -0.6961928f,
            -0.52507305f,
            -0.3949175f,
            -0.28444138f,
            -0.18477343f,
            -0.091050036f,
            0f,
            0.0795803f,
            0.1609302f,
            0.2461123f,
            0.33791524f,
            0.44070983f,
            0.562617f,
            0.72295684f,
            1f
        };
    }

    /// FP4 of bitsandbytes (Dettmers et al. 2023): a sign and eight magnitudes, of which the
    /// largest is 1. Their bits are those that bitsandbytes stores.
    public static float[] float4() {
        float[] values = new float[16];
        for (int code = 0; code < values.length; code++) {
            float magnitude = FP4_TWELFTHS[code % 8] / 12;
            values[code] = code > 8 ? -magnitude : magnitude;
        }
        return values;
    }

    static float[] signedBytes() {
        float[] values = new float[256];
        for (int code = 0; code < 256; code++) {
            values[code] = (byte) code;
        }
        return values;
    }

    /// Floats of 4 bits: sign, 2 bits of exponent, 1 of mantissa (OCP Microscaling, E2M1).
    static float[] e2m1() {
        float[] values = new float[16];
        for (int code = 0; code < 16; code++) {
            values[code] = (code < 8 ? 1 : -1) * E2M1_MAGNITUDES[code % 8];
        }
        return values;
    }

    /// Floats of 8 bits without infinities: 4 bits of exponent, 3 of mantissa (OCP FP8, E4M3).
    static float[] e4m3() {
        float[] values = new float[256];
        for (int code = 0; code < 256; code++) {
            int exponent = (code >> 3) & 15;
            int mantissa = code & 7;
            float magnitude =
                    exponent == 0
                            ? Math.scalb((float) mantissa, -9)
                            : Math.scalb((float) (mantissa + 8), exponent - 10);
            values[code] = code < 128 ? magnitude : -magnitude;
        }
        values[0x7F] = Float.NaN;
        values[0xFF] = Float.NaN;
        return values;
    }

    /// Powers of two, 2^(code − 127) (OCP Microscaling, E8M0).
    static float[] e8m0() {
        float[] values = new float[256];
        for (int code = 0; code < 255; code++) {
            values[code] = Math.scalb(1f, code - 127);
        }
        values[255] = Float.NaN;
        return values;
    }
}
