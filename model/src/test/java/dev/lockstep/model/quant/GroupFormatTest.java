// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GroupFormatTest {
    private static final int COLUMNS = 256;
    private static final int GROUP = 64;

    /// Symmetric codes waste most of their range on weights of one sign.
    @ParameterizedTest
    @ValueSource(floats = {-3, -1.5f, 1.5f, 3})
    void zeroPointsLoseLessWhereWeightsAreSkewed(float mean) {
        float[] row = normal(5, mean);
        double symmetric = error(new GroupFormat(4, GROUP), row);
        double withZeros = error(new GroupFormat(4, GROUP, true), row);
        assertTrue(withZeros < 0.9 * symmetric, () -> withZeros + " and " + symmetric);
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 8})
    void storedCodesAreThoseThatWereChosen(int bits) {
        var format = new GroupFormat(bits, GROUP, true);
        var quantizer = new MatrixQuantizer(format, Optional.empty());
        float[] row = normal(7, 0.4f);
        float[] chosen = quantizer.rounded(row);
        ByteBuffer stored =
                ByteBuffer.wrap(quantizer.quantize(row, COLUMNS)).order(ByteOrder.LITTLE_ENDIAN);
        float[] read = new float[COLUMNS];
        for (int group = 0; group < COLUMNS / GROUP; group++) {
            float scale = Float.float16ToFloat(stored.getShort());
            int zero = Byte.toUnsignedInt(stored.get());
            assertTrue(zero < 1 << bits);
            for (int c = 0; c < GROUP; c += 8 / bits) {
                int codes = Byte.toUnsignedInt(stored.get());
                for (int i = 0; i < 8 / bits; i++) {
                    int code = codes >> (i * bits) & ((1 << bits) - 1);
                    read[group * GROUP + c + i] = scale * (code - zero);
                }
            }
        }
        assertEquals(0, stored.remaining());
        assertArrayEquals(chosen, read);
    }

    @Test
    void zerosStayZeros() {
        var quantizer = new MatrixQuantizer(new GroupFormat(4, GROUP, true), Optional.empty());
        float[] row = new float[COLUMNS];
        assertArrayEquals(row, positive(quantizer.rounded(row)));
        // 0 among others has a code of its own.
        row[3] = 5;
        row[9] = -1;
        assertEquals(0, positive(quantizer.rounded(row))[4]);
    }

    private static float[] positive(float[] values) {
        float[] same = values.clone();
        for (int i = 0; i < same.length; i++) {
            same[i] += 0f;
        }
        return same;
    }

    private static double error(GroupFormat format, float[] row) {
        float[] rounded = new MatrixQuantizer(format, Optional.empty()).rounded(row);
        double sum = 0;
        for (int i = 0; i < row.length; i++) {
            sum += (row[i] - rounded[i]) * (row[i] - rounded[i]);
        }
        return Math.sqrt(sum);
    }

    private static float[] normal(long seed, float mean) {
        var random = new Random(seed);
        float[] values = new float[COLUMNS];
        for (int i = 0; i < values.length; i++) {
            values[i] = mean + (float) random.nextGaussian();
        }
        return values;
    }
}
