// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// One code in a byte and `weight_scale`: FP8 or INT8 as compressed-tensors stores them
/// (`float-quantized`, `int-quantized`, `naive-quantized`), and FP8 as ModelOpt does. There is one
/// scale for the matrix, for each row, for each group of a row, or for each block.
///
/// @param type of the weights where the scales are F32; empty: that of the scales
/// @param blockRows rows of a block; 1 where scales are those of a row
record ScaledWeights(Optional<TensorType> type, int blockRows, int blockColumns)
        implements QuantizedFormat {

    @Override
    public String marker() {
        return ".weight_scale";
    }

    @Override
    public boolean matches(LayerParts parts) {
        return parts.has(".weight", "F8_E4M3", "I8");
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor weight = parts.take(".weight", "F8_E4M3", "I8");
        boolean integers = weight.typeName().equals("I8");
        int rows = LayerParts.size(weight, 0);
        int columns = LayerParts.size(weight, 1);
        StoredTensor scale = parts.take(".weight_scale", "F32", "BF16", "F16");
        Groups groups = groups(scale, rows, columns);
        Optional<RowReader> zeros =
                parts.takeIfPresent(".weight_zero_point", "I8")
                        .map(
                                tensor -> {
                                    long[] shape =
                                            scale.shape().stream()
                                                    .mapToLong(Long::longValue)
                                                    .toArray();
                                    LayerParts.requireShape(tensor, shape);
                                    return groups.of(
                                            new CodeRows(
                                                    tensor.data(),
                                                    groups.rowLength(),
                                                    8,
                                                    CodeValues.signedBytes()));
                                });
        float[] values = integers ? CodeValues.signedBytes() : CodeValues.e4m3();
        var scales = new FloatRows(scale.data(), scale.type().orElseThrow(), groups.rowLength(), 1);
        var matrix =
                new QuantizedMatrix(
                        rows,
                        columns,
                        new CodeRows(weight.data(), columns, 8, values),
                        zeros,
                        groups.of(scales),
                        Optional.empty(),
                        type.orElse(scale.type().orElseThrow()),
                        integers ? "I8" : "F8_E4M3");
        int group = Math.min(groups.columns(), columns);
        if (!integers) {
            return CodedMatrix.tensor(weight, matrix, groups.columns(), weight.shape());
        }
        return zeros.isEmpty() && columns % group == 0
                ? RepackedMatrix.tensor(
                        weight,
                        new RepackedMatrix(
                                matrix,
                                TensorType.Q8_0,
                                group,
                                scales.perGroup(groups.rows(), 1),
                                Optional.empty(),
                                0))
                : LayerParts.tensor(weight, matrix);
    }

    /// @param rowLength scales of a row of the grid
    private record Groups(int rows, int columns, int rowLength) {
        RowReader of(RowReader values) {
            return values.perGroup(rows, columns);
        }
    }

    private Groups groups(StoredTensor scale, int rows, int columns) {
        long count = scale.shape().stream().reduce(1L, Math::multiplyExact);
        if (count == 1) {
            return new Groups(Integer.MAX_VALUE, Integer.MAX_VALUE, 1);
        }
        if (count == rows && (scale.shape().size() == 1 || scale.shape().getLast() == 1)) {
            return new Groups(1, Integer.MAX_VALUE, 1);
        }
        int across = LayerParts.size(scale, 1);
        if (blockRows > 1) {
            LayerParts.requireShape(
                    scale, Math.ceilDiv(rows, blockRows), Math.ceilDiv(columns, blockColumns));
            return new Groups(blockRows, blockColumns, across);
        }
        LayerParts.requireShape(scale, rows, across);
        if (across == 0 || columns % across != 0) {
            throw LayerParts.wrongShape(scale, "a divisor of the %d columns".formatted(columns));
        }
        return new Groups(1, columns / across, across);
    }
}
