// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Map;
import java.util.Optional;

/// The quantization of MLX: `weight` `[outputs, inputs · bits / 32]` words of codes, `scales` and
/// `biases` `[outputs, groups]`: w = scale · code + bias.
///
/// @param usual the parameters of layers that are not in `layers`
record MlxLayers(Parameters usual, Map<String, Parameters> layers) implements QuantizedFormat {

    /// @param bits 2, 4 or 8
    record Parameters(int groupSize, int bits) {

        /// Returns the type of 4 or 8 bits whose blocks are as large as groups, or smaller.
        TensorType blocks() {
            if (bits == 8) {
                return TensorType.Q8_OFFSET;
            }
            return groupSize % TensorType.Q4_OFFSET.blockSize() == 0
                    ? TensorType.Q4_OFFSET
                    : TensorType.Q4_1;
        }
    }

    @Override
    public String marker() {
        return ".scales";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        Parameters own = layers.getOrDefault(parts.layer(), usual);
        StoredTensor weight = parts.take(".weight", "U32");
        int rows = LayerParts.size(weight, 0);
        int words = LayerParts.size(weight, 1);
        int columns = Math.multiplyExact(words, 32 / own.bits());
        int groups = Math.ceilDiv(columns, own.groupSize());
        StoredTensor scales = parts.take(".scales", "F16", "BF16", "F32");
        LayerParts.requireShape(scales, rows, groups);
        FloatRows biases = parts.floats(".biases", rows, groups);
        var matrix =
                new QuantizedMatrix(
                        rows,
                        columns,
                        new CodeRows(
                                weight.data(),
                                4L * words,
                                own.bits(),
                                CodeValues.unsigned(own.bits(), 0)),
                        Optional.empty(),
                        LayerParts.floats(scales).perGroup(1, own.groupSize()),
                        Optional.of(biases.perGroup(1, own.groupSize())),
                        scales.type().orElseThrow(),
                        "MLX of %d bits".formatted(own.bits()));
        return own.bits() == 2
                ? LayerParts.tensor(weight, matrix)
                : AffineMatrix.tensor(
                        weight, new AffineMatrix(matrix, own.blocks(), 0), own.groupSize());
    }
}
