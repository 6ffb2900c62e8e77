// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
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

    @Test
    void valuesOfAPlainMatrixAreReadInAnotherShape() {
        float[] values = {1, 2, 3, 4, 5, 6};
        WeightMatrix flat = plain(values, 2, 3, new RowOrder.AsIs()).reshaped(6, 1);
        assertEquals(6, flat.rows());
        assertArrayEquals(new float[] {3, 4, 5}, flat.floats(2, 3));
        assertThrows(IllegalArgumentException.class, () -> flat.reshaped(2, 2));
    }

    @Test
    void aMatrixInAnotherOrderOrFormHasNoOtherShape() {
        WeightMatrix pairs = plain(new float[4], 4, 1, new RowOrder.AdjacentPairs(4));
        assertThrows(IllegalArgumentException.class, () -> pairs.reshaped(2, 2));
        WeightDecoder decoder = (row, from, to, target, offset) -> {};
        var decoded =
                new WeightMatrix(
                        "w",
                        TensorType.F32,
                        4,
                        1,
                        new RowOrder.AsIs(),
                        MemorySegment.ofArray(new byte[0]),
                        Optional.of(decoder));
        assertTrue(
                assertThrows(CheckpointException.class, () -> decoded.reshaped(2, 2))
                        .getMessage()
                        .contains("w is quantized"));
        assertThrows(CheckpointException.class, () -> decoded.floats(0, 1));
    }

    @Test
    void valuesOfAVectorAreInTheOrderOfHuggingFace() {
        WeightMatrix pairs = plain(new float[] {1, 3, 2, 4}, 4, 1, new RowOrder.AdjacentPairs(4));
        assertArrayEquals(new float[] {1, 2, 3, 4}, pairs.floats(0, 4));
        assertThrows(CheckpointException.class, () -> matrix(1, 256, 144).floats(0, 1));
    }

    private static WeightMatrix plain(float[] values, int rows, int columns, RowOrder order) {
        return new WeightMatrix(
                "w", TensorType.F32, rows, columns, order, MemorySegment.ofArray(values));
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
