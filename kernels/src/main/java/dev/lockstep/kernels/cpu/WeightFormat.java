// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;

/// The format of a packed weight, which determines how activations are prepared for it.
enum WeightFormat {
    F32,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    IQ4_NL,
    MXFP4,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_XS,
    IQ2_GRID,
    IQ3_GRID;

    /// What activations become before they multiply a weight.
    enum Inputs {
        F32,
        BF16,
        /// Int8, with a scale for each block of 32.
        INT8
    }

    /// Returns the format of `type`: quantized types keep theirs, plain types use the compute type.
    static WeightFormat of(TensorType type, DType compute) {
        if (type.isQuantized()) {
            return valueOf(type.name());
        }
        return switch (compute) {
            case F32 -> F32;
            case BF16 -> BF16;
            case F16, I32, I8 ->
                    throw new IllegalArgumentException(
                            "compute type %s, must be F32 or BF16".formatted(compute));
        };
    }

    Inputs inputs() {
        return this == F32 ? Inputs.F32 : this == BF16 ? Inputs.BF16 : Inputs.INT8;
    }

    /// Returns whether activations are quantized to int8 per 32 values.
    boolean isQuantized() {
        return inputs() == Inputs.INT8;
    }
}
