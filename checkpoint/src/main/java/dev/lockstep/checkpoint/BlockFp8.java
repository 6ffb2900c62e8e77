// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.OptionalInt;

/// FP8 with the inverse of the scale: `weight` in E4M3 and `weight_scale_inv`, one for each block,
/// as DeepSeek publishes it, one for each row, or one for the matrix.
///
/// @param blockRows rows of a block; empty where the configuration has no blocks
/// @param type in which the model computes
record BlockFp8(OptionalInt blockRows, OptionalInt blockColumns, TensorType type)
        implements QuantizedFormat {

    @Override
    public String marker() {
        return "_scale_inv";
    }

    @Override
    public String replaced() {
        return "";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor weight = parts.take("", "F8_E4M3");
        StoredTensor scale = parts.take("_scale_inv", "F32", "BF16", "F16", "F8_E8M0", "U8");
        int dimensions = weight.shape().size();
        long columns = weight.shape().isEmpty() ? 0 : weight.shape().getLast();
        long rows = dimensions == 0 ? 0 : rows(weight);
        if (dimensions < 2 || rows > Integer.MAX_VALUE || columns > Integer.MAX_VALUE) {
            throw LayerParts.wrongShape(weight, "two or three dimensions below 2^31");
        }
        var codes = new CodeRows(weight.data(), columns, 8, CodeValues.e4m3());
        var matrix =
                QuantizedMatrix.scaled(
                        (int) rows,
                        (int) columns,
                        codes,
                        scales(weight, scale, (int) columns),
                        type,
                        weight.typeName());
        return CodedMatrix.tensor(weight, matrix, columnsOfScale(weight, scale), weight.shape());
    }

    private static long rows(StoredTensor tensor) {
        return tensor.shape().subList(0, tensor.shape().size() - 1).stream()
                .reduce(1L, Math::multiplyExact);
    }

    /// Blocks of the experts of a three-dimensional tensor do not go over the border of an expert.
    private RowReader scales(StoredTensor weight, StoredTensor scale, int columns) {
        List<Long> shape = weight.shape();
        int inner = Math.toIntExact(shape.get(shape.size() - 2));
        long count = scale.shape().stream().reduce(1L, Math::multiplyExact);
        if (count == 1) {
            return values(scale, 1).perGroup(Integer.MAX_VALUE, Integer.MAX_VALUE);
        }
        if (isOnePerRow(scale, shape)) {
            requireGrid(weight, scale, inner, 1);
            return values(scale, 1).perGroup(1, Integer.MAX_VALUE);
        }
        if (blockRows.isEmpty() || blockColumns.isEmpty()) {
            throw LayerParts.wrongShape(
                    scale, "one scale, or one for each row: no weight_block_size is configured");
        }
        int gridRows = Math.ceilDiv(inner, blockRows.getAsInt());
        int gridColumns = Math.ceilDiv(columns, blockColumns.getAsInt());
        requireGrid(weight, scale, gridRows, gridColumns);
        RowReader grid = values(scale, gridColumns).perGroup(1, blockColumns.getAsInt());
        return (row, from, values) ->
                grid.read(
                        row / inner * gridRows + row % inner / blockRows.getAsInt(), from, values);
    }

    private int columnsOfScale(StoredTensor weight, StoredTensor scale) {
        long count = scale.shape().stream().reduce(1L, Math::multiplyExact);
        return count == 1 || isOnePerRow(scale, weight.shape())
                ? Integer.MAX_VALUE
                : blockColumns.orElse(1);
    }

    /// Returns whether each row has a scale; a grid of blocks may be as narrow.
    private static boolean isOnePerRow(StoredTensor scale, List<Long> shape) {
        int dimensions = shape.size();
        return scale.shape().size() == dimensions
                && scale.shape().getLast() == 1
                && scale.shape().get(dimensions - 2).equals(shape.get(dimensions - 2));
    }

    private static void requireGrid(
            StoredTensor weight, StoredTensor scale, long rows, long columns) {
        long[] shape = weight.shape().stream().mapToLong(Long::longValue).toArray();
        shape[shape.length - 2] = rows;
        shape[shape.length - 1] = columns;
        LayerParts.requireShape(scale, shape);
    }

    private static RowReader values(StoredTensor scale, int columns) {
        return scale.type().isPresent()
                ? new FloatRows(scale.data(), scale.type().get(), columns, 1)
                : new CodeRows(scale.data(), columns, 8, CodeValues.e8m0());
    }
}
