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
/// @param inOrder whether columns are grouped in their order
/// @param zeroOffset 1 in the first version of the format, which stores zero points minus 1
record GptqLayers(int bits, int groupSize, int zeroOffset, boolean symmetric, boolean inOrder)
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
        Groups grouped = groups(parts, groups, columns, scales);
        var matrix =
                new QuantizedMatrix(
                        rows,
                        columns,
                        codes,
                        Optional.of(grouped.of(zeroPoints)),
                        grouped.of(scale),
                        Optional.empty(),
                        type,
                        "GPTQ of %d bits".formatted(bits));
        if (!inOrder || bits == 2) {
            return LayerParts.tensor(weight, matrix);
        }
        int size = groupSize == 0 ? columns : groupSize;
        if (!symmetric) {
            return AffineMatrix.tensor(
                    weight,
                    new AffineMatrix(
                            matrix,
                            AffineMatrix.zeroType(bits, size),
                            0,
                            () -> isInOrder(parts, groups, columns, size)),
                    size);
        }
        return RepackedMatrix.tensor(
                weight,
                new RepackedMatrix(
                        matrix,
                        bits == 4 ? TensorType.Q4_0 : TensorType.Q8_0,
                        size,
                        scale,
                        Optional.of(zeroPoints),
                        1 << (bits - 1),
                        () -> isInOrder(parts, groups, columns, size)));
    }

    private static boolean isInOrder(LayerParts parts, int groups, int columns, int size) {
        if (groups != Math.ceilDiv(columns, size)) {
            return false;
        }
        Optional<StoredTensor> order = parts.takeIfPresent(".g_idx", "I32");
        for (int column = 0; column < columns && order.isPresent(); column++) {
            if (order.get().data().get(INT, 4L * column) != column / size) {
                return false;
            }
        }
        return true;
    }

    private interface Groups {
        RowReader of(RowReader values);
    }

    private Groups groups(LayerParts parts, int groups, int columns, StoredTensor scales) {
        Optional<StoredTensor> order = parts.takeIfPresent(".g_idx", "I32");
        int size = groupSize == 0 ? columns : groupSize;
        boolean inOrder = (long) groups * size >= columns && (long) (groups - 1) * size < columns;
        if (order.isEmpty()) {
            if (!inOrder) {
                throw LayerParts.wrongShape(scales, Math.ceilDiv(columns, size) + " groups");
            }
            return values -> values.perGroup(1, size);
        }
        StoredTensor indices = order.get();
        LayerParts.requireShape(indices, columns);
        RowReader group =
                (row, from, out) -> {
                    for (int i = 0; i < out.length; i++) {
                        out[i] = indices.data().get(INT, 4L * (from + i));
                    }
                };
        return values -> values.perGroupOf(group, groups);
    }
}
