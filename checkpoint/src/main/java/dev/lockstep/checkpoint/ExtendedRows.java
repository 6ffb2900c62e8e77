// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// Copies the rows of a matrix of a plain type, and its first row for each row beyond its last.
record ExtendedRows(StackedRows stored, int rows) implements WeightDecoder {

    /// Returns the matrix with more rows, or itself if it has as many.
    static WeightMatrix of(WeightMatrix matrix, int rows) {
        if (rows <= matrix.rows()) {
            return matrix;
        }
        return new WeightMatrix(
                matrix.name(),
                matrix.type(),
                rows,
                matrix.columns(),
                new RowOrder.AsIs(),
                matrix.data(),
                Optional.of(new ExtendedRows(new StackedRows(List.of(matrix)), matrix.rows())));
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        stored.decode(row < rows ? row : 0, from, to, target, offset);
    }
}
