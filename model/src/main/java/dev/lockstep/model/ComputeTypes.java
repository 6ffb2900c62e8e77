// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import java.util.Locale;

/// The types that a model computes with, every `auto` resolved.
///
/// @param compute F32 or BF16, for plain weights
/// @param kv the type of keys and values
/// @param weights the type of most of the checkpoint's bytes
public record ComputeTypes(DType compute, DType kv, TensorType weights) {

    /// Resolves `--dtype` (auto, f32, bf16) and `--kv-dtype` (auto, f32, f16, bf16).
    ///
    /// `auto` computes f32 and f16 weights in f32, bf16 weights in bf16 if the hardware supports
    /// it, and multiplies quantized weights by int8 activations. KV is f32 for f32 weights, else
    /// f16.
    public static ComputeTypes resolve(
            TensorType weights, String dtype, String kvDtype, Kernels kernels) {
        return new ComputeTypes(compute(weights, dtype, kernels), kv(weights, kvDtype), weights);
    }

    static DType kv(TensorType weights, String kvDtype) {
        if (kvDtype.equals("auto")) {
            return weights == TensorType.F32 ? DType.F32 : DType.F16;
        }
        return DType.valueOf(kvDtype.toUpperCase(Locale.ROOT));
    }

    /// Returns the type that `--dtype` requests for plain weights, supported or not.
    static DType requested(TensorType weights, String dtype, boolean hasBf16) {
        if (dtype.equals("auto")) {
            return weights == TensorType.BF16 && hasBf16 ? DType.BF16 : DType.F32;
        }
        return DType.valueOf(dtype.toUpperCase(Locale.ROOT));
    }

    private static DType compute(TensorType weights, String dtype, Kernels kernels) {
        DType compute = requested(weights, dtype, kernels.canCompute(DType.BF16));
        if (dtype.equals("auto")) {
            return compute;
        }
        if (weights.isQuantized()) {
            throw new IllegalArgumentException(
                    "dtype %s: the weights are %s, which multiply int8 activations; leave dtype at auto"
                            .formatted(dtype, weights));
        }
        if (!kernels.canCompute(compute)) {
            throw new IllegalArgumentException(
                    "dtype %s: %s (%s) cannot multiply it; use f32 or auto"
                            .formatted(
                                    dtype,
                                    kernels.device().name(),
                                    kernels.device().instructionSet()));
        }
        return compute;
    }

    /// Returns the name for display and for the handshake: `int8`, `bf16` or `f32`.
    public String computeName() {
        return weights.isQuantized() ? "int8" : compute.name().toLowerCase(Locale.ROOT);
    }

    /// Returns the name of the type of most weights, such as `q4_1`.
    public String weightsName() {
        return weights.name().toLowerCase(Locale.ROOT);
    }

    public String kvName() {
        return kv.name().toLowerCase(Locale.ROOT);
    }
}
