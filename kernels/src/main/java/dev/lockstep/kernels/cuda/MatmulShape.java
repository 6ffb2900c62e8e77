// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;

/// The product `output[tokens, outputs] = input[tokens, inner] · weight[outputs, inner]ᵀ`, all
/// row-major, with sums in F32.
///
/// @param type of weight and input: F32 without TF32, or BF16
/// @param add whether the product is added to what `output` holds
/// @param weightStride elements between the rows of the weight; the other strides likewise
/// @param alignment a power of two that divides the three addresses, see
///   [#alignment(DevicePointer...)]
public record MatmulShape(
        DType type,
        DType outputType,
        boolean add,
        int tokens,
        int outputs,
        int inner,
        int weightStride,
        int inputStride,
        int outputStride,
        int alignment) {
    private static final int MAX_ALIGNMENT = 256;

    public MatmulShape {
        if (type != DType.F32 && type != DType.BF16) {
            throw new IllegalArgumentException("type is " + type + ", must be F32 or BF16");
        }
        if (outputType != DType.F32 && outputType != type) {
            throw new IllegalArgumentException(
                    "outputType is %s, must be F32 or %s".formatted(outputType, type));
        }
        if (tokens < 1 || outputs < 1 || inner < 1) {
            throw new IllegalArgumentException(
                    "tokens %d, outputs %d, inner %d: each must be at least 1"
                            .formatted(tokens, outputs, inner));
        }
        if (weightStride < inner || inputStride < inner || outputStride < outputs) {
            throw new IllegalArgumentException(
                    "strides %d, %d, %d of rows of %d, %d, %d"
                            .formatted(
                                    weightStride,
                                    inputStride,
                                    outputStride,
                                    inner,
                                    inner,
                                    outputs));
        }
        if (alignment < type.bytes()
                || alignment > MAX_ALIGNMENT
                || Integer.bitCount(alignment) != 1) {
            throw new IllegalArgumentException(
                    "alignment is %d, must be a power of two from %d to %d"
                            .formatted(alignment, type.bytes(), MAX_ALIGNMENT));
        }
    }

    /// Returns the largest power of two up to 256 that divides every address.
    public static int alignment(DevicePointer... pointers) {
        long bits = MAX_ALIGNMENT;
        for (DevicePointer pointer : pointers) {
            bits |= pointer.address();
        }
        return (int) Long.lowestOneBit(bits);
    }
}
