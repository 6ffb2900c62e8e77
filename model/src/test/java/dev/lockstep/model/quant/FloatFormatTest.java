// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FloatFormatTest {
    private static final int COLUMNS = 96;

    @Test
    void theCodesOfE4m3AndE2m1HaveTheirValues() {
        assertEquals(448, FloatCodes.E4M3.largest());
        assertEquals(0.001953125f, FloatCodes.E4M3.value(1));
        assertEquals(1, FloatCodes.E4M3.value(0x38));
        assertEquals(-1.125f, FloatCodes.E4M3.value(0xB9));
        float[] e2m1 = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
        for (int code = 0; code < 16; code++) {
            assertEquals(
                    code < 8 ? e2m1[code] : -e2m1[code - 8],
                    FloatCodes.E2M1.value(code),
                    "" + code);
        }
    }

    @Test
    void theNearestCodeIsTheEvenOneOfTwo() {
        assertEquals(2, FloatCodes.E2M1.nearest(0.75f));
        assertEquals(2, FloatCodes.E2M1.nearest(1.25f));
        assertEquals(6 | 8, FloatCodes.E2M1.nearest(-5));
        assertEquals(7, FloatCodes.E2M1.nearest(100));
        assertEquals(0x7E, FloatCodes.E4M3.nearest(1e9f));
        for (int code = 0; code < 127; code++) {
            assertEquals(code, FloatCodes.E4M3.nearest(FloatCodes.E4M3.value(code)));
            assertEquals(
                    code | 0x80, FloatCodes.E4M3.nearest(-FloatCodes.E4M3.value(code) - 1e-9f));
        }
    }

    /// 3 bits of mantissa: half a step is a sixteenth of the value, and in the smallest binade
    /// 2^-10 of the scale. Scales of 8 bits move the largest value by 2^-9 of it.
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    void fp8IsWithinHalfAStep(TensorType scales) {
        float[] row = normal(5, COLUMNS);
        float largest = 0;
        for (float value : row) {
            largest = Math.max(largest, Math.abs(value));
        }
        float[] chosen = chosen(FloatFormat.fp8(COLUMNS, scales), row);
        for (int c = 0; c < COLUMNS; c++) {
            float bound = Math.abs(row[c]) / 16 + largest / 448 / 1024 + largest / 512;
            assertEquals(row[c], chosen[c], bound, "column " + c);
        }
    }

    @Test
    void mxfp4ChoosesTheScaleWithTheSmallerError() {
        float[] row = new float[32];
        Arrays.fill(row, 1.75f);
        row[3] = 7;
        // 7 is cut to 6 by a scale of 1, which has no other value nearer to 1.75 than 1.5 or 2;
        // with 2 it is 8 or 6 and the others are 2.
        float[] chosen = chosen(FloatFormat.mxfp4(32), row);
        double error = 0;
        double other = 0;
        for (int c = 0; c < 32; c++) {
            error += Math.pow(row[c] - chosen[c], 2);
            other +=
                    Math.pow(
                            row[c] - 2 * FloatCodes.E2M1.value(FloatCodes.E2M1.nearest(row[c] / 2)),
                            2);
        }
        assertTrue(error <= other, error + " " + other);
        assertEquals(0, chosen(FloatFormat.mxfp4(32), new float[32])[0]);
    }

    @Test
    void theStoredBytesAreTheScaleAndThenTheCodes() {
        float[] row = new float[32];
        row[0] = 6;
        row[1] = -1;
        byte[] mxfp4 = stored(FloatFormat.mxfp4(32), row);
        assertEquals(17, mxfp4.length);
        assertEquals(127, mxfp4[0]);
        assertEquals((byte) (7 | 10 << 4), mxfp4[1]);
        row[0] = 448;
        byte[] fp8 = stored(FloatFormat.fp8(32, TensorType.BF16), row);
        assertEquals(34, fp8.length);
        assertEquals(0x3F80, ByteBuffer.wrap(fp8).order(ByteOrder.LITTLE_ENDIAN).getShort());
        assertEquals(0x7E, fp8[2]);
        assertEquals((byte) 0xB8, fp8[3]);
    }

    private static byte[] stored(FloatFormat format, float[] row) {
        return new MatrixQuantizer(format, Optional.empty()).quantize(row, row.length);
    }

    private static float[] chosen(FloatFormat format, float[] row) {
        float[] ones = new float[row.length];
        Arrays.fill(ones, 1);
        QuantizedBlock block = format.fit(row, 0, ones);
        float[] chosen = new float[row.length];
        for (int c = 0; c < row.length; c++) {
            chosen[c] = block.choose(c, row[c]);
        }
        return chosen;
    }

    private static float[] normal(long seed, int count) {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (0.08 * random.nextGaussian());
        }
        return values;
    }
}
