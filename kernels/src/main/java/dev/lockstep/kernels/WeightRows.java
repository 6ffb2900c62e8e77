// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Rows of one stored matrix that become consecutive outputs of a packed weight.
///
/// Output i is the source's row `rows[i]`, columns `[columnFrom, columnTo)`. This selects a rank's
/// shard and undoes a row order of the checkpoint, without copying.
///
/// @param name the tensor's name in the checkpoint, for errors
/// @param data the mapped matrix, row-major, `sourceColumns` elements a row
/// @param columnOrder the input that each column multiplies, where they are in another order; then
///   all columns are used
public record WeightRows(
        String name,
        MemorySegment data,
        TensorType type,
        int sourceColumns,
        int[] rows,
        int columnFrom,
        int columnTo,
        Optional<int[]> columnOrder) {

    /// Creates rows whose columns are in the order of the inputs.
    public WeightRows(
            String name,
            MemorySegment data,
            TensorType type,
            int sourceColumns,
            int[] rows,
            int columnFrom,
            int columnTo) {
        this(name, data, type, sourceColumns, rows, columnFrom, columnTo, Optional.empty());
    }

    public WeightRows {
        if (columnFrom < 0 || columnTo < columnFrom || columnTo > sourceColumns) {
            throw new IllegalArgumentException(
                    "%s: columns [%d, %d) of %d"
                            .formatted(name, columnFrom, columnTo, sourceColumns));
        }
        if (columnFrom % type.unit() != 0 || columnTo % type.unit() != 0) {
            throw new IllegalArgumentException(
                    "%s: columns [%d, %d) of %s cannot be cut there, only at multiples of %d: use fewer ranks"
                            .formatted(name, columnFrom, columnTo, type, type.unit()));
        }
        int chosen = columnTo - columnFrom;
        columnOrder.ifPresent(order -> requireOrder(name, order, chosen, sourceColumns));
        long rowBytes = type.rowBytes(sourceColumns);
        long sourceRows = rowBytes == 0 ? 0 : data.byteSize() / rowBytes;
        for (int row : rows) {
            if (row < 0 || row >= sourceRows) {
                throw new IllegalArgumentException(
                        "%s: row %d of %d".formatted(name, row, sourceRows));
            }
        }
    }

    private static void requireOrder(String name, int[] order, int columns, int sourceColumns) {
        if (columns != sourceColumns || order.length != columns) {
            throw new IllegalArgumentException(
                    "%s: an order of %d columns for %d of %d"
                            .formatted(name, order.length, columns, sourceColumns));
        }
        for (int column : order) {
            if (column < 0 || column >= columns) {
                throw new IllegalArgumentException(
                        "%s: input %d of %d".formatted(name, column, columns));
            }
        }
    }

    public int columns() {
        return columnTo - columnFrom;
    }

    /// Returns the number of columns that precede `columnFrom` in its stored block.
    public int skippedColumns() {
        return columnFrom % type.blockSize();
    }

    /// Returns the byte offset of that block in a stored row.
    public long firstBlockBytes() {
        return type.rowBytes(columnFrom - skippedColumns());
    }
}
