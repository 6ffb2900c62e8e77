// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The rows and columns that a file has of a matrix, which is described as a whole: every rank of a
/// group has its own.
///
/// @param rows of the whole matrix
/// @param firstRow the row of the whole matrix from which rows are counted
public record HeldPart(NumberRanges rows, NumberRanges columns, int firstRow) {
    /// What a file has of a matrix that is in another one.
    static final HeldPart NONE = new HeldPart(NumberRanges.NONE, NumberRanges.NONE, 0);

    HeldPart(NumberRanges rows, NumberRanges columns) {
        this(rows, columns, 0);
    }

    HeldPart laterRows(int count) {
        return new HeldPart(rows, columns, firstRow + count);
    }

    /// Returns the places of rows among the held ones.
    ///
    /// @throws CheckpointException naming the tensor if one is not held
    public int[] rows(String tensor, int[] stored) {
        int[] held = new int[stored.length];
        for (int i = 0; i < held.length; i++) {
            held[i] = row(tensor, stored[i]);
        }
        return held;
    }

    int row(String tensor, int stored) {
        int held = rows.index(firstRow + stored);
        if (held < 0) {
            throw notHeld(tensor, "row", firstRow + stored);
        }
        return held;
    }

    int column(String tensor, int column) {
        int held = columns.index(column);
        if (held < 0) {
            throw notHeld(tensor, "column", column);
        }
        return held;
    }

    /// Returns the place of the first of columns `[from, to)`, which follow one another among the
    /// held ones.
    ///
    /// @throws CheckpointException naming the tensor if one is not held
    public int firstColumn(String tensor, int from, int to) {
        if (from == to) {
            return 0;
        }
        int first = column(tensor, from);
        if (column(tensor, to - 1) - first != to - 1 - from) {
            throw notHeld(tensor, "all of the columns from", from);
        }
        return first;
    }

    private static CheckpointException notHeld(String tensor, String what, int number) {
        return new CheckpointException(
                "tensor %s has not %s %d in the files of this rank: convert the original model again"
                        .formatted(tensor, what, number));
    }
}
