// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.HeldPart;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/// Where kernels read the rows of a stored matrix: in its file, or in memory if the file keeps the
/// matrix in another form.
final class RowSource {

    private RowSource() {}

    /// Returns columns of some rows, decoded if the matrix has a decoder.
    ///
    /// @param storedRows see [WeightMatrix#storedRow]
    /// @param memory of decoded rows
    static WeightRows of(WeightMatrix matrix, int[] storedRows, Span columns, Arena memory) {
        if (matrix.decoder().isEmpty() && matrix.held().isPresent()) {
            return ofPart(matrix, matrix.held().get(), storedRows, columns);
        }
        if (matrix.decoder().isEmpty()) {
            return new WeightRows(
                    matrix.name(),
                    matrix.data(),
                    matrix.type(),
                    matrix.columns(),
                    storedRows,
                    columns.from(),
                    columns.to());
        }
        if (columns.size() == 0) {
            return unread(matrix, storedRows.length, columns);
        }
        // Decodes the blocks that hold the columns.
        int block = matrix.type().blockSize();
        int from = columns.from() / block * block;
        int to = Math.min(matrix.columns(), Math.ceilDiv(columns.to(), block) * block);
        return new WeightRows(
                matrix.name(),
                matrix.decode(storedRows, from, to, memory),
                matrix.type(),
                to - from,
                IntStream.range(0, storedRows.length).toArray(),
                columns.from() - from,
                columns.to() - from,
                matrix.columnOrder());
    }

    /// Returns columns of some rows of a matrix of plain values of which the file has a part.
    private static WeightRows ofPart(
            WeightMatrix matrix, HeldPart held, int[] storedRows, Span columns) {
        if (columns.size() == 0) {
            return unread(matrix, storedRows.length, columns);
        }
        int first =
                storedRows.length == 0
                        ? 0
                        : held.firstColumn(matrix.name(), columns.from(), columns.to());
        return new WeightRows(
                matrix.name(),
                matrix.data(),
                matrix.type(),
                Math.max(held.columns().size(), first + columns.size()),
                held.rows(matrix.name(), storedRows),
                first,
                first + columns.size());
    }

    /// Returns as many rows, which nobody reads: the file may keep the matrix in another form.
    @SuppressWarnings("restricted") // the segment has a size and no memory
    static WeightRows unread(WeightMatrix matrix, int count, Span columns) {
        long bytes = matrix.type().rowBytes(matrix.columns());
        return new WeightRows(
                matrix.name(),
                MemorySegment.NULL.reinterpret(bytes),
                matrix.type(),
                matrix.columns(),
                new int[count],
                columns.from(),
                columns.to());
    }

    /// Returns a matrix of plain values with its rows decoded, if it has a decoder.
    static WeightMatrix inMemory(WeightMatrix matrix, Arena memory) {
        if (matrix.decoder().isEmpty() || matrix.type().isQuantized()) {
            return matrix;
        }
        int[] rows = IntStream.range(0, matrix.rows()).toArray();
        return new WeightMatrix(
                matrix.name(),
                matrix.type(),
                matrix.rows(),
                matrix.columns(),
                matrix.order(),
                matrix.decode(rows, 0, matrix.columns(), memory));
    }
}
