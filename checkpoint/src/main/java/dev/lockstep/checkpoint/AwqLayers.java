// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// AWQ (Lin et al. 2023) in the layout of its matrix kernels: `qweight` `[inputs, outputs / 8]`,
/// `qzeros` `[groups, outputs / 8]` and `scales` `[groups, outputs]`. A word holds 8 outputs, the
/// even ones first.
///
/// @param groupSize inputs of a group; 0 for one group
record AwqLayers(int groupSize) implements QuantizedFormat {
    private static final int BITS = 4;
    private static final int CODES_OF_WORD = 32 / BITS;
    private static final int[] PLACES = {0, 4, 1, 5, 2, 6, 3, 7};

    @Override
    public String marker() {
        return ".qweight";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        StoredTensor weight = parts.take(".qweight", "I32", "U32");
        int columns = LayerParts.size(weight, 0);
        int words = LayerParts.size(weight, 1);
        int rows = Math.multiplyExact(words, CODES_OF_WORD);
        int size = groupSize == 0 ? columns : groupSize;
        int groups = Math.ceilDiv(columns, size);
        StoredTensor scales = parts.take(".scales", "F16", "BF16", "F32");
        LayerParts.requireShape(scales, groups, rows);
        StoredTensor zeros = parts.take(".qzeros", "I32", "U32");
        LayerParts.requireShape(zeros, groups, words);
        TensorType type = scales.type().orElseThrow();
        var scale = new FloatRows(scales.data(), type, 1, rows);
        var matrix =
                new QuantizedMatrix(
                        rows,
                        columns,
                        codes(weight, words),
                        Optional.of(codes(zeros, words).perGroup(1, size)),
                        scale.perGroup(1, size),
                        Optional.empty(),
                        type,
                        "AWQ of %d bits".formatted(BITS));
        TensorType packed = AffineMatrix.zeroType(BITS, size, columns);
        return AffineMatrix.tensor(weight, new AffineMatrix(matrix, packed, 0), size);
    }

    private static WordRows codes(StoredTensor tensor, int words) {
        return new WordRows(
                tensor.data(),
                CODES_OF_WORD,
                1,
                1,
                words,
                BITS,
                PLACES,
                CodeValues.unsigned(BITS, 0));
    }
}
