// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Arrays;

/// Bytes of bitsandbytes (Dettmers et al. 2022): `weight` `[outputs, inputs]` and the largest
/// magnitude `SCB` of each row: w = code · SCB / 127. Activations are not quantized here, so no
/// outlier needs another type.
///
/// @param type in which the model computes
record VectorwiseInt8(TensorType type) implements QuantizedFormat {
    /// 1 / 127, as the reference rounds it.
    private static final float FACTOR = 0.007874016f;

    @Override
    public String marker() {
        return ".SCB";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor weight = parts.take(".weight", "I8");
        int rows = LayerParts.size(weight, 0);
        int columns = LayerParts.size(weight, 1);
        FloatRows largest = parts.floats(".SCB", rows);
        parts.takeIfPresent(".weight_format", "U8");
        var codes = new CodeRows(weight.data(), columns, 8, CodeValues.signedBytes());
        RowReader scaled =
                (row, from, values) -> {
                    codes.read(row, from, values);
                    float scale = largest.at(row);
                    for (int i = 0; i < values.length; i++) {
                        values[i] *= scale;
                    }
                };
        RowReader factor = (row, from, values) -> Arrays.fill(values, FACTOR);
        return LayerParts.tensor(
                weight, QuantizedMatrix.scaled(rows, columns, scaled, factor, type, "INT8"));
    }
}
