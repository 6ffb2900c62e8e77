// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// One stored tensor as a matrix `[rows, columns]`, described and not copied.
///
/// `data` is mapped from the file for the life of the process; nothing is read before a row is
/// read. A vector has one column and as many rows as values, so that a bias is cut and ordered like
/// the rows of its matrix. A tensor of more than two dimensions is `[all but the last, last]`. Rows
/// are in Hugging Face order; [#storedRow] maps them to rows of `data`. The bytes have no
/// alignment: read them with unaligned little-endian layouts.
///
/// @param data what the file has; not rows of `type` where a decoder is present
/// @param decoder present where the file keeps the matrix in another form: [#decode] gives its rows
/// @param held the rows and columns that `data` has, where it has not all and there is no decoder
public record WeightMatrix(
        String name,
        TensorType type,
        int rows,
        int columns,
        RowOrder order,
        MemorySegment data,
        Optional<WeightDecoder> decoder,
        Optional<HeldPart> held) {

    public WeightMatrix(
            String name,
            TensorType type,
            int rows,
            int columns,
            RowOrder order,
            MemorySegment data) {
        this(name, type, rows, columns, order, data, Optional.empty());
    }

    public WeightMatrix(
            String name,
            TensorType type,
            int rows,
            int columns,
            RowOrder order,
            MemorySegment data,
            Optional<WeightDecoder> decoder) {
        this(name, type, rows, columns, order, data, decoder, Optional.empty());
    }

    public WeightMatrix {
        long bytes =
                held.isEmpty()
                        ? rows * type.rowBytes(columns)
                        : held.get().rows().size() * type.rowBytes(held.get().columns().size());
        if (decoder.isEmpty() && data.byteSize() != bytes) {
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
        return new WeightMatrix(name, type, rows, columns, other, data, decoder, held);
    }

    /// Returns the names of the tensors that it has one below the other; none if it is one of a
    /// file.
    public List<String> stackedNames() {
        return decoder.orElse(null) instanceof StackedRows stacked
                ? stacked.parts().stream().map(WeightMatrix::name).toList()
                : List.of();
    }

    /// Returns the bytes of all rows, decoded.
    public long bytes() {
        return rows * type.rowBytes(columns);
    }

    /// Returns the row of `data` that holds row `row`.
    public int storedRow(int row) {
        return order.storedRow(row);
    }

    /// Returns the matrix in a type that holds its values exactly: mostly this one.
    public WeightMatrix exact() {
        return decoder.flatMap(WeightDecoder::fallback).map(this::decodedBy).orElse(this);
    }

    /// Returns the matrix in the type that [#exact] will probably give, from few of its scales.
    public WeightMatrix expected() {
        return decoder.flatMap(WeightDecoder::expectedFallback).map(this::decodedBy).orElse(this);
    }

    /// Returns the matrix in a plain type if its decoder has one, else in its own.
    public WeightMatrix plain() {
        return decoder.flatMap(WeightDecoder::inPlainType).map(this::decodedBy).orElse(this);
    }

    /// Returns the column of this matrix that each decoded column is, where they are in another
    /// order than here.
    public Optional<int[]> columnOrder() {
        return decoder.flatMap(WeightDecoder::columnOrder);
    }

    /// Returns the matrix with its columns in their order: mostly this one.
    public WeightMatrix inColumnOrder() {
        return columnOrder().isEmpty() ? this : plain();
    }

    /// Returns the matrix in a type of which columns `[from, to)` can be cut, if it has one.
    public WeightMatrix cut(int from, int to) {
        WeightMatrix ordered = from == 0 && to == columns ? this : inColumnOrder();
        return from % ordered.type.unit() == 0 && to % ordered.type.unit() == 0
                ? ordered
                : ordered.plain();
    }

    private WeightMatrix decodedBy(WeightDecoder.Plain plain) {
        return new WeightMatrix(
                name, plain.type(), rows, columns, order, data, Optional.of(plain.decoder()));
    }

    /// Returns some rows of a matrix that is in the order of its file.
    public WeightMatrix part(int first, int count) {
        if (!(order instanceof RowOrder.AsIs) || first < 0 || first + count > rows) {
            throw new IllegalArgumentException(
                    "%s: rows [%d, %d) of %d in the order %s"
                            .formatted(name, first, first + count, rows, order));
        }
        long bytes = type.rowBytes(columns);
        return new WeightMatrix(
                name,
                type,
                count,
                columns,
                order,
                decoder.isPresent() || held.isPresent()
                        ? data
                        : data.asSlice(first * bytes, count * bytes),
                decoder.map(each -> new LaterRows(each, first)),
                held.map(each -> each.laterRows(first)));
    }

    /// Returns the same values as a matrix of another shape.
    ///
    /// @throws CheckpointException if the file keeps the matrix in another form
    public WeightMatrix reshaped(int otherRows, int otherColumns) {
        if (!(order instanceof RowOrder.AsIs)) {
            throw new IllegalArgumentException(
                    "%s: a matrix in the order %s has no other shape".formatted(name, order));
        }
        if (decoder.isPresent()) {
            throw new CheckpointException(
                    "tensor %s is quantized and would have to be read in another shape; only plain types can"
                            .formatted(name));
        }
        if (held.isPresent()) {
            throw new CheckpointException(
                    "tensor %s is cut and would have to be read in another shape; only whole ones can"
                            .formatted(name));
        }
        return new WeightMatrix(name, type, otherRows, otherColumns, order, data);
    }

    /// Returns some values of a vector, such as a norm or a bias, which no checkpoint quantizes.
    ///
    /// @throws CheckpointException if the vector is not of F32, F16 or BF16
    public float[] floats(int first, int count) {
        if (decoder.isPresent()) {
            throw new CheckpointException(
                    "tensor %s is quantized; a vector must be F32, F16 or BF16".formatted(name));
        }
        if (type.isQuantized()) {
            throw new CheckpointException(
                    "tensor %s has type %s; a vector must be F32, F16 or BF16"
                            .formatted(name, type));
        }
        var stored = new FloatRows(data, type, 1, 1);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = stored.at(storedValue(storedRow(first + i)));
        }
        return values;
    }

    /// Returns the place in `data` of a value that is counted in the whole matrix.
    private long storedValue(long value) {
        if (held.isEmpty()) {
            return value;
        }
        long row = held.get().row(name, (int) (value / columns));
        return row * held.get().columns().size() + held.get().column(name, (int) (value % columns));
    }

    /// Returns columns `[from, to)` of some stored rows, in whole blocks of `type`, one row after
    /// the other. Rows are decoded on all cores.
    ///
    /// @param storedRows see [#storedRow]
    public MemorySegment decode(int[] storedRows, int from, int to, SegmentAllocator memory) {
        WeightDecoder own = decoder.orElseThrow();
        long rowBytes = type.rowBytes(to - from);
        MemorySegment target = memory.allocate(Math.max(1, storedRows.length * rowBytes), 64);
        if (rowBytes > 0) {
            IntStream.range(0, storedRows.length)
                    .parallel()
                    .forEach(i -> own.decode(storedRows[i], from, to, target, i * rowBytes));
        }
        return target;
    }
}
