package dev.lockstep.model;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import java.util.Locale;

/// What a model computes with, every `auto` resolved.
///
/// @param compute F32 or BF16, for plain weights
/// @param kv type of keys and values
/// @param weights what most of the checkpoint is stored in
public record ComputeTypes(DType compute, DType kv, TensorType weights) {

    /// Resolves `--dtype` (auto, f32, bf16) and `--kv-dtype` (auto, f32, f16, bf16).
    ///
    /// `auto` computes f32 and f16 weights in f32, bf16 ones in bf16 where the hardware has it, and
    /// multiplies quantized ones by int8 activations. KV is f32 for f32 weights, else f16.
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

    private static DType compute(TensorType weights, String dtype, Kernels kernels) {
        if (dtype.equals("auto")) {
            boolean half = weights == TensorType.BF16 && kernels.canCompute(DType.BF16);
            return half ? DType.BF16 : DType.F32;
        }
        if (weights.isQuantized()) {
            throw new IllegalArgumentException(
                    "dtype %s: the weights are %s, which multiply int8 activations; leave dtype at auto"
                            .formatted(dtype, weights));
        }
        DType compute = DType.valueOf(dtype.toUpperCase(Locale.ROOT));
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

    /// For people and the handshake: `int8`, `bf16` or `f32`.
    public String computeName() {
        return weights.isQuantized() ? "int8" : compute.name().toLowerCase(Locale.ROOT);
    }

    /// What most of the checkpoint is stored in: `q4_1`.
    public String weightsName() {
        return weights.name().toLowerCase(Locale.ROOT);
    }

    public String kvName() {
        return kv.name().toLowerCase(Locale.ROOT);
    }
}
