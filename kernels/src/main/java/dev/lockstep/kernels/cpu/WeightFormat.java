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
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    TQ1_0,
    TQ2_0,
    Q4_OFFSET,
    Q4_ZERO,
    Q8_OFFSET,
    Q4_ZERO_32,
    Q4_ZERO_128,
    Q8_ZERO,
    Q8_ZERO_32,
    /// E4M3, multiplied as f32.
    E4M3_F32,
    /// E4M3, multiplied as bf16.
    E4M3_BF16,
    /// NVFP4, multiplied as f32.
    NVFP4_F32,
    /// NVFP4, multiplied as bf16.
    NVFP4_BF16,
    /// NF4, multiplied as f32.
    NF4_F32,
    /// NF4, multiplied as bf16.
    NF4_BF16,
    /// FP4, multiplied as f32.
    FP4_F32,
    /// FP4, multiplied as bf16.
    FP4_BF16;

    /// What activations become before they multiply a weight.
    enum Inputs {
        F32,
        BF16,
        /// Int8, with a scale for each block of 32.
        INT8
    }

    /// Returns the format of `type`: quantized types keep theirs, plain types use the compute type,
    /// and so do the products of short floats.
    static WeightFormat of(TensorType type, DType compute) {
        if (type.multipliesInt8()) {
            return valueOf(type.name());
        }
        return switch (compute) {
            case F32, BF16 ->
                    type.isQuantized() ? valueOf(type + "_" + compute) : valueOf(compute.name());
            case F16, I32, I8, FP8 ->
                    throw new IllegalArgumentException(
                            "compute type %s, must be F32 or BF16".formatted(compute));
        };
    }

    Inputs inputs() {
        return switch (this) {
            case F32, E4M3_F32, NVFP4_F32, NF4_F32, FP4_F32 -> Inputs.F32;
            case BF16, E4M3_BF16, NVFP4_BF16, NF4_BF16, FP4_BF16 -> Inputs.BF16;
            case Q4_0,
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
                    IQ1_S,
                    IQ1_M,
                    IQ2_XXS,
                    IQ2_XS,
                    IQ2_S,
                    IQ3_XXS,
                    IQ3_S,
                    TQ1_0,
                    TQ2_0,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32 ->
                    Inputs.INT8;
        };
    }

    /// Returns whether activations are quantized to int8 per 32 values.
    boolean isQuantized() {
        return inputs() == Inputs.INT8;
    }
}
