// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RankReadsTest {
    private static final String NAME = "x.weight";

    private final MemorySegment data = Arena.ofAuto().allocate(12 * 256 * 4L);
    private final RankReads reads = new RankReads();

    @Test
    void rowsOfAPartAreThoseOfTheWholeMatrix() {
        WeightMatrix whole = plain();
        reads.read(whole, whole.part(6, 4), new int[] {1, 3}, 32, 64);
        reads.read(whole, whole, new int[] {0}, 0, 32);
        requireArea(TensorType.F32, "0,7,9", "0-63");
        assertFalse(reads.area(NAME, TensorType.F32).orElseThrow().isWhole(whole));
    }

    @Test
    void rowsOfATransposedMatrixAreColumns() {
        WeightMatrix whole = plain();
        WeightMatrix part = whole.part(2, 8);
        var transposed =
                new WeightMatrix(
                        NAME,
                        TensorType.F32,
                        256,
                        8,
                        new RowOrder.AsIs(),
                        part.data(),
                        Optional.of(new TransposedRows(part)));
        reads.read(whole, transposed, new int[] {5, 6, 200}, 1, 4);
        requireArea(TensorType.F32, "3-5", "5-6,200");
    }

    @Test
    void columnsOfBlocksAreWholeBlocks() {
        WeightMatrix whole = coded();
        reads.read(whole, whole.part(4, 8), new int[] {2}, 32, 96);
        requireArea(TensorType.E4M3, "6", "0-127");
        reads.read(whole, whole.plain(), new int[] {1}, 32, 96);
        requireArea(TensorType.BF16, "1", "32-95");
    }

    @Test
    void anotherShapeReadsAll() {
        WeightMatrix whole = plain();
        reads.read(whole, whole.reshaped(24, 128), new int[] {3}, 0, 1);
        assertTrue(reads.area(NAME, TensorType.F32).orElseThrow().isWhole(whole));
    }

    @Test
    void nothingIsReadOfNoRowsOrColumns() {
        WeightMatrix whole = plain();
        reads.read(whole, whole, new int[0], 0, 256);
        reads.read(whole, whole, new int[] {1}, 64, 64);
        assertTrue(reads.types(NAME).isEmpty());
    }

    /// A held part gives the rows and columns that it has, and refuses others by name.
    @Test
    void aPartIsReadByTheNumbersOfTheWhole() {
        var part = new HeldPart(NumberRanges.parse("2-3,8"), NumberRanges.parse("0-3,10-13"));
        float[] values = new float[3 * 8];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        var matrix =
                new WeightMatrix(
                        NAME,
                        TensorType.F32,
                        12,
                        256,
                        new RowOrder.AsIs(),
                        floats(values),
                        Optional.empty(),
                        Optional.of(part));
        assertArrayEquals(new int[] {2, 0}, part.rows(NAME, new int[] {8, 2}));
        assertArrayEquals(new float[] {12, 13, 14}, matrix.floats(3 * 256 + 10, 3));
        assertArrayEquals(new float[] {12}, matrix.part(1, 5).floats(2 * 256 + 10, 1));
        MemorySegment transposed = Arena.ofAuto().allocate(8);
        new TransposedRows(matrix).decode(11, 2, 4, transposed, 0);
        assertArrayEquals(new float[] {5, 13}, transposed.toArray(ValueLayout.JAVA_FLOAT));
        CheckpointException missing =
                assertThrows(CheckpointException.class, () -> matrix.floats(4 * 256, 1));
        assertEquals(
                "tensor x.weight has not row 4 in the files of this rank: convert the original model again",
                missing.getMessage());
    }

    private static MemorySegment floats(float[] values) {
        return Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    private void requireArea(TensorType type, String rows, String columns) {
        RankReads.Area area = reads.area(NAME, type).orElseThrow();
        assertEquals(rows, NumberRanges.of(area.rows()).toString());
        assertEquals(columns, NumberRanges.of(area.columns()).toString());
    }

    private WeightMatrix plain() {
        return new WeightMatrix(NAME, TensorType.F32, 12, 256, new RowOrder.AsIs(), data);
    }

    private WeightMatrix coded() {
        var plain =
                QuantizedMatrix.scaled(
                        12,
                        256,
                        new CodeRows(data, 256, 8, CodeValues.e4m3()),
                        new FloatRows(data, TensorType.F32, 1, 1),
                        TensorType.BF16,
                        "test");
        return new WeightMatrix(
                NAME,
                TensorType.E4M3,
                12,
                256,
                new RowOrder.AsIs(),
                data,
                Optional.of(new CodedMatrix(plain, data)));
    }
}
