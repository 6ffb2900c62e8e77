// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;

/// The bytes of the selected rows of a stored matrix: of each row the blocks that hold the selected
/// columns.
final class StoredSlices {
    private final WeightRows rows;
    private final long rowBytes;
    private final long first;
    private final long bytes;

    StoredSlices(WeightRows rows) {
        this.rows = rows;
        rowBytes = rows.type().rowBytes(rows.sourceColumns());
        first = rows.firstBlockBytes();
        int block = rows.type().blockSize();
        long columns = (long) rows.skippedColumns() + rows.columns();
        bytes =
                rows.columns() == 0
                        ? 0
                        : rows.type().rowBytes((columns + block - 1) / block * block);
    }

    /// Returns the bytes of a row's slice.
    long bytes() {
        return bytes;
    }

    /// Returns how many slices fit into `room`, at least 1.
    int rowsIn(long room) {
        return rowsIn(room, bytes);
    }

    static int rowsIn(long room, long bytes) {
        return Math.toIntExact(Math.max(1, room / Math.max(1, bytes)));
    }

    MemorySegment of(int row) {
        return rows.data().asSlice(rows.rows()[row] * rowBytes + first, bytes);
    }

    /// Copies the slices of `count` rows, one after the other.
    void copy(int row, int count, MemorySegment to) {
        int[] numbers = rows.rows();
        for (int i = 0; i < count; ) {
            int run = 1;
            if (bytes == rowBytes) {
                while (i + run < count && numbers[row + i + run] == numbers[row + i] + run) {
                    run++;
                }
            }
            MemorySegment.copy(
                    rows.data(), numbers[row + i] * rowBytes + first, to, i * bytes, run * bytes);
            i += run;
        }
    }
}
