// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;

/// MXFP4 as gpt-oss stores the matrices of all experts of a layer: `…_blocks` `[experts, outputs,
/// inputs / 32, 16]`, two E2M1 codes in a byte, and `…_scales` `[experts, outputs, inputs / 32]` in
/// E8M0. The tensor is `[experts, outputs, inputs]`.
record Mxfp4Experts() implements QuantizedFormat {
    private static final int GROUP = 32;

    @Override
    public String marker() {
        return "_blocks";
    }

    @Override
    public String replaced() {
        return "";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor blocks = parts.take("_blocks", "U8");
        List<Long> shape = blocks.shape();
        if (shape.size() != 4 || shape.getLast() != GROUP / 2) {
            throw LayerParts.wrongShape(blocks, "[experts, outputs, inputs / 32, 16]");
        }
        StoredTensor scales = parts.take("_scales", "U8", "F8_E8M0");
        LayerParts.requireShape(scales, shape.get(0), shape.get(1), shape.get(2));
        int rows = Math.toIntExact(shape.get(0) * shape.get(1));
        int groups = Math.toIntExact(shape.get(2));
        var scale = new CodeRows(scales.data(), groups, 8, CodeValues.e8m0());
        var matrix =
                QuantizedMatrix.scaled(
                        rows,
                        groups * GROUP,
                        new CodeRows(blocks.data(), groups * (GROUP / 2L), 4, CodeValues.e2m1()),
                        scale.perGroup(1, GROUP),
                        TensorType.BF16,
                        "MXFP4");
        return blocks.decoded(
                matrix.format(),
                TensorType.MXFP4,
                List.of(shape.get(0), shape.get(1), (long) matrix.columns()),
                new RepackedMatrix(matrix, TensorType.MXFP4, GROUP, scale, Optional.empty(), 0));
    }
}
