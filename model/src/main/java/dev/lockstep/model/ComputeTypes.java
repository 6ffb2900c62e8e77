// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.KvLayout;
import java.util.Locale;

/// The types that a model computes with, every `auto` resolved.
///
/// @param weights the type of most of the checkpoint's bytes
/// @param compute F32 or BF16
/// @param multiplied the type in which most weights are multiplied; I8 for int8 activations
/// @param activation the type of activations
/// @param kv the type of keys and values; I8 for q8
public record ComputeTypes(
        TensorType weights, DType compute, DType multiplied, DType activation, DType kv) {
    private static final String Q8 = "q8";

    /// Resolves `--dtype` (auto, f32, bf16) and `--kv-dtype` (auto, f32, f16, bf16, fp8, q8) for a
    /// device.
    public static ComputeTypes resolve(
            TensorType weights, String dtype, String kvDtype, DeviceCapabilities device) {
        DType compute = compute(weights, dtype, device);
        return new ComputeTypes(
                weights,
                compute,
                device.multiplied(weights, compute),
                device.activationType(compute),
                kvDtype.equals("auto") ? device.kvType(weights) : kv(kvDtype, device));
    }

    private static DType kv(String kvDtype, DeviceCapabilities device) {
        DType kv = kvDtype.equals(Q8) ? DType.I8 : type(kvDtype);
        if (!device.kvTypes().contains(kv)) {
            throw new IllegalArgumentException(
                    "kv-dtype %s: %s stores f32, f16 or bf16; use one of them or auto"
                            .formatted(kvDtype, device.architecture()));
        }
        return kv;
    }

    /// Throws, naming the remedy, unless keys and values of heads of that size can be stored.
    void requireHeads(int headSize) {
        if (kv == DType.I8 && headSize % KvLayout.GROUP != 0) {
            throw new IllegalArgumentException(
                    "kv-dtype q8: the model's heads have %d dimensions, q8 needs a multiple of %d; use f16 or auto"
                            .formatted(headSize, KvLayout.GROUP));
        }
    }

    private static DType compute(TensorType weights, String dtype, DeviceCapabilities device) {
        if (dtype.equals("auto")) {
            return device.computeType(weights);
        }
        DType compute = type(dtype);
        if (device.multiplied(weights, compute) == DType.I8) {
            throw new IllegalArgumentException(
                    "dtype %s: the weights are %s, which multiply int8 activations; leave dtype at auto"
                            .formatted(dtype, weights));
        }
        if (!device.computeTypes().contains(compute)) {
            throw new IllegalArgumentException(
                    "dtype %s: %s cannot multiply it; use f32 or auto"
                            .formatted(dtype, device.architecture()));
        }
        return compute;
    }

    private static DType type(String word) {
        return DType.valueOf(word.toUpperCase(Locale.ROOT));
    }

    /// Returns the name for display and for the handshake: `int8`, `bf16` or `f32`.
    public String computeName() {
        return multiplied == DType.I8 ? "int8" : name(compute);
    }

    /// Returns the name of the type of most weights, such as `q4_1`.
    public String weightsName() {
        return weights.name().toLowerCase(Locale.ROOT);
    }

    /// Returns the value of `--kv-dtype` for the type of keys and values.
    public String kvName() {
        return kv == DType.I8 ? Q8 : name(kv);
    }

    private static String name(DType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }
}
