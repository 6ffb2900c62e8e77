// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;

/// One stored tensor as a matrix `[rows, columns]`, described and not copied.
///
/// `data` is mapped from the file for the life of the process; nothing is read before a row is
/// read. A vector has one column and as many rows as values, so that a bias is cut and ordered like
/// the rows of its matrix. A tensor of more than two dimensions is `[all but the last, last]`. Rows
/// are in Hugging Face order; [#storedRow] maps them to rows of `data`. The bytes have no
/// alignment: read them with unaligned little-endian layouts.
public record WeightMatrix(
        String name, TensorType type, int rows, int columns, RowOrder order, MemorySegment data) {

    public WeightMatrix {
        long bytes = rows * type.rowBytes(columns);
        if (data.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    "%s: %d x %d values of %s take %d bytes, not %d"
                            .formatted(name, rows, columns, type, bytes, data.byteSize()));
        }
    }

    /// Returns this matrix with rows in another order than its file has them.
    ///
    /// @throws IllegalArgumentException if its rows are in such an order already
    public WeightMatrix ordered(RowOrder other) {
        if (!(order instanceof RowOrder.AsIs)) {
            throw new IllegalArgumentException(
                    "%s: its rows are in the order %s already".formatted(name, order));
        }
        return new WeightMatrix(name, type, rows, columns, other, data);
    }

    /// Returns the row of `data` that holds row `row`.
    public int storedRow(int row) {
        return order.storedRow(row);
    }
}
