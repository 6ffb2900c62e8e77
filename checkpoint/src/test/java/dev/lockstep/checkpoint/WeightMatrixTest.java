// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class WeightMatrixTest {
    @Test
    void aRowIsAWholeNumberOfBlocks() {
        assertEquals(2, matrix(2, 512, 2 * 288).rows());
        assertThrows(IllegalArgumentException.class, () -> matrix(2, 32, 36));
    }

    @Test
    void dataOfAnotherSizeIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> matrix(2, 512, 2 * 288 - 1));
        assertThrows(IllegalArgumentException.class, () -> matrix(2, 512, 3 * 288));
    }

    /// As llama.cpp's converter does it: per head `[2, half]` becomes `[half, 2]`.
    @Test
    void adjacentPairsUndoTheConvertersPermutation() {
        int heads = 3;
        int headDim = 8;
        int half = headDim / 2;
        float[] stored = new float[heads * headDim];
        for (int head = 0; head < heads; head++) {
            for (int part = 0; part < 2; part++) {
                for (int i = 0; i < half; i++) {
                    int huggingFaceRow = head * headDim + part * half + i;
                    stored[head * headDim + i * 2 + part] = huggingFaceRow;
                }
            }
        }
        var weight =
                new WeightMatrix(
                        "q",
                        TensorType.F32,
                        heads * headDim,
                        1,
                        new RowOrder.AdjacentPairs(headDim),
                        MemorySegment.ofArray(stored));
        for (int row = 0; row < weight.rows(); row++) {
            assertEquals(
                    row,
                    weight.data()
                            .getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, weight.storedRow(row)));
        }
    }

    private static WeightMatrix matrix(int rows, int columns, int bytes) {
        return new WeightMatrix(
                "w",
                TensorType.Q4_K,
                rows,
                columns,
                new RowOrder.AsIs(),
                MemorySegment.ofArray(new byte[bytes]));
    }
}
