package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class WeightSliceTest {
    @Test
    void slicesOfSlicesKeepTheirPlaceInTheWholeTensor() {
        WeightSlice whole = WeightSlice.whole("w", TensorType.F32, 8, 6, numbered(8 * 6));
        WeightSlice slice = whole.rows(2, 7).columns(1, 5).rows(1, 3).columns(2, 4);
        assertEquals(2, slice.rows());
        assertEquals(2, slice.columns());
        assertEquals(3, slice.firstRow());
        assertEquals(3, slice.firstColumn());
        assertEquals(4, slice.storedRow(1));
        long firstValue = slice.rowOffset(1) + slice.firstColumn() * 4L;
        assertEquals(4 * 6 + 3, slice.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, firstValue));
        assertFalse(slice.isContiguous());
        assertTrue(whole.rows(2, 7).isContiguous());
        assertEquals(12f, whole.rows(2, 7).contiguous().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0));
        assertEquals(0, whole.rows(3, 3).rows());
    }

    @Test
    void aBlockMayBeCutByColumnsButNotByItsRowLength() {
        WeightSlice whole =
                WeightSlice.whole(
                        "w", TensorType.Q4_K, 2, 512, MemorySegment.ofArray(new byte[2 * 288]));
        assertEquals(288, whole.columns(32, 64).rowBytes());
        assertEquals(288, whole.columns(32, 64).row(1).byteSize());
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        WeightSlice.whole(
                                "w", TensorType.Q4_K, 2, 32, MemorySegment.ofArray(new byte[36])));
    }

    @Test
    void aSliceOutsideItsTensorIsRefused() {
        WeightSlice whole = WeightSlice.whole("w", TensorType.F32, 4, 4, numbered(16));
        assertThrows(IllegalArgumentException.class, () -> whole.rows(2, 5));
        assertThrows(IllegalArgumentException.class, () -> whole.rows(-1, 2));
        assertThrows(IllegalArgumentException.class, () -> whole.columns(3, 2));
        assertThrows(IllegalStateException.class, () -> whole.columns(0, 2).contiguous());
    }

    /// The converter's own words: per head `[2, half]` becomes `[half, 2]`.
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
        WeightSlice weight =
                WeightSlice.whole(
                        "q",
                        TensorType.F32,
                        heads * headDim,
                        1,
                        new RowOrder.AdjacentPairs(headDim),
                        MemorySegment.ofArray(stored));
        WeightSlice lastHeads = weight.rows(headDim, heads * headDim);
        for (int row = 0; row < lastHeads.rows(); row++) {
            assertEquals(
                    headDim + row, lastHeads.row(row).get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0));
        }
    }

    private static MemorySegment numbered(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = i;
        }
        return MemorySegment.ofArray(values);
    }
}
