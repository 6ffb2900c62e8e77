// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.lockstep.kernels.AttentionReference;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Keys and values of q8 as they lie in memory.
class StoredCodesTest {
    private static final int SIZE = 64;
    private static final int TOKENS = StoredBlock.TOKENS;
    private static final AttentionShape SHAPE = new AttentionShape(new int[] {0}, 1, SIZE, 1);
    private static final KvLayout LAYOUT = new KvLayout(1, 1, SIZE, DType.I8, CpuPagedKv.BLOCK);

    @Test
    void anElementIsOffByHalfAStepAtMost() {
        for (float factor : new float[] {1, 1e-3f, 1e-6f, 3e4f}) {
            float[] rows = TestValues.normal(new Random(3), TOKENS * SHAPE.qkvColumns(LAYOUT));
            for (int i = 0; i < rows.length; i++) {
                rows[i] *= factor * (i % 7 == 0 ? 20 : 1);
            }
            double[][] stored = read(stored(InstructionSet.VECTOR_API, rows));
            for (int t = 0; t < TOKENS; t++) {
                double[] token = token(rows, t);
                for (int d = SIZE; d < 3 * SIZE; d++) {
                    double half = AttentionReference.step(token, d / SIZE * SIZE, d % SIZE) / 2;
                    // Where the scale is a few units of f16 the largest code may be cut off.
                    double cut = 127 * 0x1p-25;
                    assertEquals(token[d], stored[t][d], half + cut, factor + ", element " + d);
                }
            }
        }
    }

    @Test
    void zerosStayZeroAndWhatIsNotFiniteStaysVisible() {
        float[] rows = new float[TOKENS * SHAPE.qkvColumns(LAYOUT)];
        rows[SIZE + 3] = Float.NaN;
        rows[2 * SIZE + 40] = Float.NEGATIVE_INFINITY;
        double[][] stored = read(stored(InstructionSet.VECTOR_API, rows));
        assertFalse(Double.isFinite(stored[0][SIZE + 3]));
        assertFalse(Double.isFinite(stored[0][2 * SIZE + 40]));
        assertEquals(0, stored[0][SIZE + 32]);
        assertArrayEquals(new double[3 * SIZE], stored[1]);
    }

    @Test
    void bothKernelsStoreTheSameBytes() {
        for (float factor : new float[] {0, 1, 1e-6f, 1e6f}) {
            float[] rows = TestValues.normal(new Random(4), TOKENS * SHAPE.qkvColumns(LAYOUT));
            for (int i = 0; i < rows.length; i++) {
                rows[i] *= factor;
            }
            byte[] expected = stored(InstructionSet.VECTOR_API, rows);
            for (InstructionSet set : TwinTest.twins()) {
                assertArrayEquals(expected, stored(set, rows), set + ", times " + factor);
            }
        }
    }

    private static double[] token(float[] rows, int t) {
        double[] token = new double[SHAPE.qkvColumns(LAYOUT)];
        for (int i = 0; i < token.length; i++) {
            token[i] = rows[t * token.length + i];
        }
        return token;
    }

    private static byte[] stored(InstructionSet set, float[] rows) {
        try (var device = new TestDevice(OpenKernels.of(set, 1))) {
            return StoredBlock.bytes(device, SHAPE, LAYOUT, Optional.empty(), rows);
        }
    }

    /// Returns the keys and values that a block holds, as fused rows without queries.
    private static double[][] read(byte[] block) {
        double[][] tokens = new double[TOKENS][3 * SIZE];
        int codes = CpuPagedKv.BLOCK * SIZE;
        int groups = SIZE / KvLayout.GROUP;
        for (int t = 0; t < TOKENS; t++) {
            for (int d = 0; d < SIZE; d++) {
                int group = d / KvLayout.GROUP;
                double key = block[d * CpuPagedKv.BLOCK + t];
                double value = block[codes + t * SIZE + d];
                tokens[t][SIZE + d] = key * scale(block, 2 * codes, group, t);
                tokens[t][2 * SIZE + d] = value * scale(block, 2 * codes, groups + group, t);
            }
        }
        return tokens;
    }

    private static double scale(byte[] block, int scales, int group, int token) {
        int at = scales + 2 * (group * CpuPagedKv.BLOCK + token);
        return Float.float16ToFloat((short) ((block[at] & 0xff) | (block[at + 1] << 8)));
    }
}
