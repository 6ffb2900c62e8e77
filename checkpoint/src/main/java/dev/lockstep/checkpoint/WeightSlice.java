package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;

/// A rectangle `[rows, columns]` of one stored tensor, described and not copied.
///
/// `data` is the whole tensor `[storedRows, storedColumns]`, mapped from the file for the life of
/// the process; nothing is read before somebody reads a row. A vector has one column and as many
/// rows as values, so that a bias is cut and ordered like the rows of its matrix. A tensor of more
/// than two dimensions is `[all but the last, last]`. Rows are in Hugging Face order: [#storedRow]
/// finds them. Bytes may lie at any address: read them with unaligned layouts, little-endian.
///
/// @param firstRow first row of the slice in the whole tensor
/// @param firstColumn first column of the slice in the whole tensor; may lie inside a block
public record WeightSlice(
        String name,
        TensorType type,
        int firstRow,
        int rows,
        int firstColumn,
        int columns,
        int storedColumns,
        RowOrder order,
        MemorySegment data) {

    public WeightSlice {
        long storedRows = data.byteSize() / Math.max(1, type.bytesFor(storedColumns));
        requireRange(name, "rows", firstRow, (long) firstRow + rows, storedRows);
        requireRange(name, "columns", firstColumn, (long) firstColumn + columns, storedColumns);
    }

    /// A whole tensor.
    public static WeightSlice whole(
            String name,
            TensorType type,
            int rows,
            int columns,
            RowOrder order,
            MemorySegment data) {
        if (data.byteSize() != rows * type.bytesFor(columns)) {
            throw new IllegalArgumentException(
                    "%s: %d x %d values of %s take %d bytes, not %d"
                            .formatted(
                                    name,
                                    rows,
                                    columns,
                                    type,
                                    rows * type.bytesFor(columns),
                                    data.byteSize()));
        }
        return new WeightSlice(name, type, 0, rows, 0, columns, columns, order, data);
    }

    /// A whole tensor in its file's own order, for weights made in memory.
    public static WeightSlice whole(
            String name, TensorType type, int rows, int columns, MemorySegment data) {
        return whole(name, type, rows, columns, new RowOrder.AsIs(), data);
    }

    /// Rows `[from, to)` of this slice.
    public WeightSlice rows(int from, int to) {
        requireRange(name, "rows", from, to, rows);
        return new WeightSlice(
                name,
                type,
                firstRow + from,
                to - from,
                firstColumn,
                columns,
                storedColumns,
                order,
                data);
    }

    /// Columns `[from, to)` of this slice. For block types a border may lie inside a block: whoever
    /// packs the slice reads the block and takes the part.
    public WeightSlice columns(int from, int to) {
        requireRange(name, "columns", from, to, columns);
        return new WeightSlice(
                name,
                type,
                firstRow,
                rows,
                firstColumn + from,
                to - from,
                storedColumns,
                order,
                data);
    }

    /// The row of `data` that holds row `row` of this slice.
    public int storedRow(int row) {
        return order.storedRow(firstRow + row);
    }

    /// Where in `data` the stored row of row `row` begins. The slice's own columns start at value
    /// `firstColumn` of it.
    public long rowOffset(int row) {
        return storedRow(row) * rowBytes();
    }

    /// The bytes of the whole stored row, all `storedColumns` of it, that holds row `row`.
    public MemorySegment row(int row) {
        return data.asSlice(rowOffset(row), rowBytes());
    }

    /// Bytes from one stored row to the next.
    public long rowBytes() {
        return type.bytesFor(storedColumns);
    }

    /// True when rows follow each other in `data` without gap or permutation, so that [#contiguous]
    /// is the slice.
    public boolean isContiguous() {
        return order instanceof RowOrder.AsIs && columns == storedColumns;
    }

    /// The bytes of a slice of whole rows in stored order.
    public MemorySegment contiguous() {
        if (!isContiguous()) {
            throw new IllegalStateException(
                    name + ": a slice of columns or of reordered rows is not one range");
        }
        return data.asSlice(firstRow * rowBytes(), rows * rowBytes());
    }

    private static void requireRange(String name, String what, long from, long to, long limit) {
        if (from < 0 || to < from || to > limit) {
            throw new IllegalArgumentException(
                    "%s: %s [%d, %d) are outside [0, %d)".formatted(name, what, from, to, limit));
        }
    }
}
