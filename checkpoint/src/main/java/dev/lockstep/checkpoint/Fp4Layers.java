// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// NVFP4 and MXFP4: two E2M1 codes in a byte, the first in the lower half, and a scale for a group
/// of inputs: of 16 in E4M3, times or divided by one f32 of the matrix, or of 32 in E8M0.
///
/// @param codes suffix of the codes: `.weight_packed` in compressed-tensors, `.weight` in ModelOpt
/// @param global suffix of the f32 of the matrix
/// @param dividedByGlobal whether it divides the scales, as in compressed-tensors
/// @param type in which the weights are decoded
record Fp4Layers(String codes, String global, boolean dividedByGlobal, TensorType type)
        implements QuantizedFormat {
    private static final int NVFP4_GROUP = 16;
    private static final int MXFP4_GROUP = 32;

    static Fp4Layers ofCompressedTensors() {
        return new Fp4Layers(".weight_packed", ".weight_global_scale", true, TensorType.BF16);
    }

    static Fp4Layers ofModelOpt(TensorType type) {
        return new Fp4Layers(".weight", ".weight_scale_2", false, type);
    }

    @Override
    public String marker() {
        return ".weight_scale";
    }

    @Override
    public boolean matches(LayerParts parts) {
        return parts.has(codes, "U8") && parts.has(".weight_scale", "F8_E4M3", "U8", "F8_E8M0");
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor packed = parts.take(codes, "U8");
        int rows = LayerParts.size(packed, 0);
        int bytes = LayerParts.size(packed, 1);
        int columns = Math.multiplyExact(2, bytes);
        boolean nvfp4 = parts.has(".weight_scale", "F8_E4M3");
        int group = nvfp4 ? NVFP4_GROUP : MXFP4_GROUP;
        StoredTensor scales = parts.take(".weight_scale", "F8_E4M3", "U8", "F8_E8M0");
        int groups = Math.ceilDiv(columns, group);
        LayerParts.requireShape(scales, rows, groups);
        RowReader scale =
                new CodeRows(
                        scales.data(), groups, 8, nvfp4 ? CodeValues.e4m3() : CodeValues.e8m0());
        float factor = nvfp4 ? parts.scalar(global) : 1;
        if (nvfp4) {
            scale = dividedByGlobal ? scale.dividedBy(factor) : scale.times(factor);
        }
        var matrix =
                QuantizedMatrix.scaled(
                        rows,
                        columns,
                        new CodeRows(packed.data(), bytes, 4, CodeValues.e2m1()),
                        scale.perGroup(1, group),
                        type,
                        nvfp4 ? "NVFP4" : "MXFP4");
        return nvfp4
                ? Nvfp4Matrix.tensor(
                        packed,
                        new Nvfp4Matrix(
                                matrix,
                                packed.data(),
                                scales.data(),
                                dividedByGlobal ? -factor : factor))
                : RepackedMatrix.tensor(
                        packed,
                        new RepackedMatrix(
                                matrix, TensorType.MXFP4, group, scale, Optional.empty(), 0));
    }
}
