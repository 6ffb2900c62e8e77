// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.function.UnaryOperator;

/// Integers in `weight_packed` as compressed-tensors stores them (`pack-quantized`): `[outputs,
/// inputs · bits / 32]` words of codes, `weight_scale` `[outputs, groups]`, `weight_shape`, and
/// where the quantization has them, zero points `[outputs · bits / 32, groups]` and the group
/// `weight_g_idx` of each input.
record PackedIntegers() implements QuantizedFormat {
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public String marker() {
        return ".weight_packed";
    }

    @Override
    public boolean matches(LayerParts parts) {
        return parts.has(".weight_packed", "I32");
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor packed = parts.take(".weight_packed", "I32");
        int words = LayerParts.size(packed, 1);
        int rows = LayerParts.size(packed, 0);
        int columns = columns(parts.take(".weight_shape", "I64", "I32"), rows);
        int bits = bits(packed, words, columns);
        StoredTensor scales = parts.take(".weight_scale", "BF16", "F16", "F32");
        int groups = LayerParts.size(scales, 1);
        LayerParts.requireShape(scales, rows, groups);
        if (groups == 0 || columns % groups != 0) {
            throw LayerParts.wrongShape(scales, "a divisor of the %d columns".formatted(columns));
        }
        int size = columns / groups;
        Optional<RowReader> zeros = zeros(parts, bits, rows, groups).map(RowReader.class::cast);
        RowReader scale = LayerParts.floats(scales);
        var codes =
                new CodeRows(
                        packed.data(),
                        4L * words,
                        bits,
                        CodeValues.unsigned(bits, 1 << (bits - 1)));
        Matrix matrix =
                (ofColumns, perColumn) ->
                        new QuantizedMatrix(
                                rows,
                                columns,
                                ofColumns,
                                zeros.map(perColumn),
                                perColumn.apply(scale),
                                Optional.empty(),
                                scales.type().orElseThrow(),
                                "integers of %d bits".formatted(bits));
        UnaryOperator<RowReader> inOrder = values -> values.perGroup(1, size);
        Optional<RowReader> order = order(parts, columns);
        if (order.isEmpty()) {
            return repacked(packed, matrix.of(codes, inOrder), bits, scale, size);
        }
        QuantizedMatrix plain = matrix.of(codes, values -> values.perGroupOf(order.get(), groups));
        var grouped = new ColumnGroups(order.get(), columns, groups, size);
        QuantizedMatrix ordered = matrix.of(grouped.ordered(codes), inOrder);
        return OrderedMatrix.tensor(
                packed, plain, grouped, repacked(packed, ordered, bits, scale, size));
    }

    private interface Matrix {
        QuantizedMatrix of(RowReader codes, UnaryOperator<RowReader> perColumn);
    }

    /// Returns a matrix whose columns are grouped in their order, repacked if a type holds it.
    private static StoredTensor repacked(
            StoredTensor packed, QuantizedMatrix matrix, int bits, RowReader scale, int size) {
        if (bits == 2) {
            return LayerParts.tensor(packed, matrix);
        }
        if (matrix.zeros().isPresent() || AffineMatrix.replaces(matrix, bits, size)) {
            TensorType type = AffineMatrix.zeroType(bits, size, matrix.columns());
            int least = -(1 << (bits - 1));
            return AffineMatrix.tensor(packed, new AffineMatrix(matrix, type, least), size);
        }
        return RepackedMatrix.tensor(
                packed,
                new RepackedMatrix(
                        matrix,
                        bits == 4 ? TensorType.Q4_0 : TensorType.Q8_0,
                        size,
                        scale,
                        Optional.empty(),
                        0));
    }

    private static int columns(StoredTensor shape, int rows) {
        LayerParts.requireShape(shape, 2);
        boolean wide = shape.typeName().equals("I64");
        long storedRows = wide ? shape.data().get(LONG, 0) : shape.data().get(INT, 0);
        long columns = wide ? shape.data().get(LONG, 8) : shape.data().get(INT, 4);
        if (storedRows != rows || columns < 1 || columns > Integer.MAX_VALUE) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d], weight_packed has %d rows"
                            .formatted(
                                    shape.file(), shape.storedName(), storedRows, columns, rows));
        }
        return (int) columns;
    }

    private static int bits(StoredTensor packed, int words, int columns) {
        for (int bits : new int[] {2, 4, 8}) {
            if (Math.ceilDiv((long) columns * bits, 32) == words) {
                return bits;
            }
        }
        throw new CheckpointException(
                "%s: tensor %s has %.2f bits a weight, supported: 2, 4 and 8"
                        .formatted(packed.file(), packed.storedName(), 32.0 * words / columns));
    }

    private static Optional<WordRows> zeros(LayerParts parts, int bits, int rows, int groups) {
        return parts.takeIfPresent(".weight_zero_point", "I32")
                .map(
                        zeros -> {
                            int codesOfWord = 32 / bits;
                            LayerParts.requireShape(zeros, Math.ceilDiv(rows, codesOfWord), groups);
                            return new WordRows(
                                    zeros.data(),
                                    codesOfWord,
                                    groups,
                                    1,
                                    1,
                                    bits,
                                    WordRows.inOrder(bits),
                                    CodeValues.unsigned(bits, 1 << (bits - 1)));
                        });
    }

    /// Returns the group of each column, where it does not follow from the column's number.
    private static Optional<RowReader> order(LayerParts parts, int columns) {
        return parts.takeIfPresent(".weight_g_idx", "I32", "I64")
                .map(
                        indices -> {
                            LayerParts.requireShape(indices, columns);
                            boolean wide = indices.typeName().equals("I64");
                            return (row, from, out) -> {
                                for (int i = 0; i < out.length; i++) {
                                    long at = (long) from + i;
                                    out[i] =
                                            wide
                                                    ? indices.data().get(LONG, 8 * at)
                                                    : indices.data().get(INT, 4 * at);
                                }
                            };
                        });
    }
}
