// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/// GPTQ (Frantar et al. 2022): `qweight` `[inputs · bits / 32, outputs]`, `qzeros` `[groups,
/// outputs · bits / 32]`, `scales` `[groups, outputs]` and, with the order of activations, the
/// group `g_idx` of each input.
///
/// @param bits 2, 4 or 8
/// @param groupSize inputs of a group where there is no `g_idx`; 0 for one group
/// @param symmetric whether the zero point is in the middle of the codes
/// @param zeroOffset 1 in the first version of the format, which stores zero points minus 1
record GptqLayers(int bits, int groupSize, int zeroOffset, boolean symmetric)
        implements QuantizedFormat {
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public String marker() {
        return ".qweight";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor weight = parts.take(".qweight", "I32", "U32");
        int codesOfWord = 32 / bits;
        int rows = LayerParts.size(weight, 1);
        int columns = Math.multiplyExact(LayerParts.size(weight, 0), codesOfWord);
        StoredTensor scales = parts.take(".scales", "F16", "BF16", "F32");
        int groups = LayerParts.size(scales, 0);
        LayerParts.requireShape(scales, groups, rows);
        StoredTensor zeros = parts.take(".qzeros", "I32", "U32");
        LayerParts.requireShape(zeros, groups, Math.ceilDiv(rows, codesOfWord));
        TensorType type = scales.type().orElseThrow();
        int[] places = WordRows.inOrder(bits);
        var codes =
                new WordRows(
                        weight.data(),
                        1,
                        1,
                        codesOfWord,
                        rows,
                        bits,
                        places,
                        CodeValues.unsigned(bits, 0));
        var zeroPoints =
                new WordRows(
                        zeros.data(),
                        codesOfWord,
                        1,
                        1,
                        zeros.shape().getLast(),
                        bits,
                        places,
                        CodeValues.unsigned(bits, -zeroOffset));
        var scale = new FloatRows(scales.data(), type, 1, rows);
        int size = groupSize == 0 ? columns : groupSize;
        Matrix matrix =
                (ofColumns, zero, ofGroup) ->
                        new QuantizedMatrix(
                                rows,
                                columns,
                                ofColumns,
                                Optional.of(zero),
                                ofGroup,
                                Optional.empty(),
                                type,
                                "GPTQ of %d bits".formatted(bits));
        RowReader zeroInOrder = zeroPoints.perGroup(1, size);
        RowReader scaleInOrder = scale.perGroup(1, size);
        Optional<RowReader> order = order(parts, columns);
        if (order.isEmpty()) {
            if (groups != Math.ceilDiv(columns, size)) {
                throw LayerParts.wrongShape(scales, Math.ceilDiv(columns, size) + " groups");
            }
            return repacked(
                    weight, matrix.of(codes, zeroInOrder, scaleInOrder), zeroPoints, scale, size);
        }
        QuantizedMatrix plain =
                matrix.of(
                        codes,
                        zeroPoints.perGroupOf(order.get(), groups),
                        scale.perGroupOf(order.get(), groups));
        var grouped = new ColumnGroups(order.get(), columns, groups, size);
        QuantizedMatrix ordered = matrix.of(grouped.ordered(codes), zeroInOrder, scaleInOrder);
        return OrderedMatrix.tensor(
                weight, plain, grouped, repacked(weight, ordered, zeroPoints, scale, size));
    }

    private interface Matrix {
        QuantizedMatrix of(RowReader codes, RowReader zeros, RowReader scales);
    }

    /// Returns a matrix whose columns are grouped in their order, repacked if a type holds it.
    private StoredTensor repacked(
            StoredTensor weight,
            QuantizedMatrix matrix,
            RowReader zeroPoints,
            RowReader scale,
            int size) {
        if (bits == 2) {
            return LayerParts.tensor(weight, matrix);
        }
        if (!symmetric || AffineMatrix.replaces(matrix, bits, size)) {
            TensorType type = AffineMatrix.zeroType(bits, size, matrix.columns());
            return AffineMatrix.tensor(weight, new AffineMatrix(matrix, type, 0), size);
        }
        return RepackedMatrix.tensor(
                weight,
                new RepackedMatrix(
                        matrix,
                        bits == 4 ? TensorType.Q4_0 : TensorType.Q8_0,
                        size,
                        scale,
                        Optional.of(zeroPoints),
                        1 << (bits - 1)));
    }

    /// Returns the group of each column, where the file has it.
    private static Optional<RowReader> order(LayerParts parts, int columns) {
        return parts.takeIfPresent(".g_idx", "I32")
                .map(
                        indices -> {
                            LayerParts.requireShape(indices, columns);
                            return (row, from, out) -> {
                                for (int i = 0; i < out.length; i++) {
                                    out[i] = indices.data().get(INT, 4L * (from + i));
                                }
                            };
                        });
    }
}
