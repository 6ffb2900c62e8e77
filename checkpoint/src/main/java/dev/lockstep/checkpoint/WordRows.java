// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Codes in words of 32 bits that hold several rows of a column, or several columns of a row.
///
/// Row r, column c is in word `r / rowsOfWord · rowStride + c / columnsOfWord · columnStride`, at
/// place `places[r % rowsOfWord]` or `places[c % columnsOfWord]`, counted in codes from the lowest
/// bits.
///
/// @param rowsOfWord 1 where a word holds columns
/// @param columnsOfWord 1 where a word holds rows
/// @param values by code
record WordRows(
        MemorySegment data,
        int rowsOfWord,
        long rowStride,
        int columnsOfWord,
        long columnStride,
        int bits,
        int[] places,
        float[] values)
        implements RowReader {
    private static final ValueLayout.OfInt WORD =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Returns the places of codes that follow each other.
    static int[] inOrder(int bits) {
        int[] places = new int[32 / bits];
        for (int i = 0; i < places.length; i++) {
            places[i] = i;
        }
        return places;
    }

    @Override
    public void read(int row, int from, float[] out) {
        int mask = (1 << bits) - 1;
        long start = row / rowsOfWord * rowStride;
        int rowPlace = row % rowsOfWord;
        for (int i = 0; i < out.length; i++) {
            int column = from + i;
            long word = start + column / columnsOfWord * columnStride;
            int place = places[rowsOfWord > 1 ? rowPlace : column % columnsOfWord];
            out[i] = values[data.get(WORD, 4 * word) >>> (place * bits) & mask];
        }
    }
}
