// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.Rounding;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Keys and values of FP8 as they lie in memory.
class StoredFp8Test {
    private static final int SIZE = 20;
    private static final AttentionShape SHAPE = new AttentionShape(new int[] {0}, 1, SIZE, 1);
    private static final KvLayout LAYOUT = new KvLayout(1, 1, SIZE, DType.FP8, CpuPagedKv.BLOCK);
    private static final float KEYS = 0.3f;
    private static final float VALUES = 7;

    @Test
    void anElementIsTheNearestCodeOfItsShareOfTheScale() {
        for (float factor : new float[] {1, 1e-3f, 1e-9f, 3e4f}) {
            float[] rows = rows(factor);
            byte[] block = stored(InstructionSet.VECTOR_API, rows);
            for (int t = 0; t < StoredBlock.TOKENS; t++) {
                for (int d = 0; d < SIZE; d++) {
                    int row = t * SHAPE.qkvColumns(LAYOUT);
                    float key = rows[row + SIZE + d] / KEYS;
                    float value = rows[row + 2 * SIZE + d] / VALUES;
                    byte storedKey = block[d * CpuPagedKv.BLOCK + t];
                    byte storedValue = block[CpuPagedKv.BLOCK * SIZE + t * SIZE + d];
                    assertEquals(Rounding.toE4m3(key), Float8.value(storedKey));
                    assertEquals(Rounding.toE4m3(value), Float8.value(storedValue));
                }
            }
        }
    }

    @Test
    void bothKernelsStoreTheSameBytes() {
        for (float factor : new float[] {0, 1, 1e-2f, 1e-9f, 1e6f}) {
            float[] rows = rows(factor);
            rows[SIZE + 1] = Float.NaN;
            rows[SIZE + 2] = Float.NEGATIVE_INFINITY;
            rows[2 * SIZE + 3] = -Float.NaN;
            byte[] expected = stored(InstructionSet.VECTOR_API, rows);
            assertEquals(0x7e, expected[CpuPagedKv.BLOCK]);
            assertEquals((byte) 0xfe, expected[2 * CpuPagedKv.BLOCK]);
            for (InstructionSet set : TwinTest.twins()) {
                assertArrayEquals(expected, stored(set, rows), set + ", times " + factor);
            }
        }
    }

    private static float[] rows(float factor) {
        float[] rows =
                TestValues.normal(new Random(3), StoredBlock.TOKENS * SHAPE.qkvColumns(LAYOUT));
        for (int i = 0; i < rows.length; i++) {
            rows[i] *= factor * (i % 7 == 0 ? 20 : 1);
        }
        return rows;
    }

    private static byte[] stored(InstructionSet set, float[] rows) {
        try (var device = new TestDevice(OpenKernels.of(set, 1))) {
            var scales =
                    new KvScales(
                            device.kernels().prepareVector(new float[] {KEYS}),
                            device.kernels().prepareVector(new float[] {VALUES}));
            return StoredBlock.bytes(device, SHAPE, LAYOUT, Optional.of(scales), rows);
        }
    }
}
