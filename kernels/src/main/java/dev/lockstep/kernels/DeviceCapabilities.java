// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.TensorType;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;

/// What a device computes with, and how large its steps may be; known without opening the device.
///
/// @param architecture the instruction set or the compute capability
/// @param hasBf16 whether it multiplies bf16
/// @param expandsLatents whether latent attention is [ExpandedAttention] in prompts
public record DeviceCapabilities(
        Kind kind, String architecture, boolean hasBf16, boolean expandsLatents) {

    public enum Kind {
        CPU,
        CUDA
    }

    /// The largest head that attention on a GPU has kernels for.
    public static final int MAX_CUDA_HEAD = 640;

    /// The largest key that linear attention on a GPU has kernels for.
    public static final int MAX_CUDA_KEY = 512;

    private static final int LEAST_COMPUTE_CAPABILITY = 8;

    public static DeviceCapabilities ofCpu(String instructionSet, boolean hasBf16) {
        return new DeviceCapabilities(Kind.CPU, instructionSet, hasBf16, false);
    }

    /// Returns those of a CPU that expands latents, or does not.
    public DeviceCapabilities expandingLatents(boolean expands) {
        return new DeviceCapabilities(kind, architecture, hasBf16, expands);
    }

    /// Returns the capabilities of a GPU by its compute capability, such as 9.0.
    public static DeviceCapabilities ofCuda(int major, int minor) {
        String capability = "compute capability %d.%d".formatted(major, minor);
        if (major < LEAST_COMPUTE_CAPABILITY) {
            throw new IllegalArgumentException(
                    "%s is below %d.0".formatted(capability, LEAST_COMPUTE_CAPABILITY));
        }
        return new DeviceCapabilities(Kind.CUDA, capability, true, false);
    }

    /// Returns the types that weights can be multiplied in.
    public Set<DType> computeTypes() {
        return hasBf16 ? EnumSet.of(DType.F32, DType.BF16) : EnumSet.of(DType.F32);
    }

    /// Returns the compute type of a model without `--dtype`.
    public DType computeType(TensorType weights) {
        boolean int8 = weights.multipliesInt8() && quantizesActivations();
        boolean bf16 = weights == TensorType.BF16 || (weights.isQuantized() && !int8);
        return bf16 && hasBf16 ? DType.BF16 : DType.F32;
    }

    /// Returns the type of activations of a model that computes in `compute`.
    public DType activationType(DType compute) {
        return switch (kind) {
            case CPU -> DType.F32;
            case CUDA -> compute;
        };
    }

    /// Returns whether weights of the types for it multiply activations that are quantized to int8;
    /// elsewhere they are decoded to the compute type when they are loaded.
    public boolean quantizesActivations() {
        return kind == Kind.CPU;
    }

    /// Returns the type in which weights of that stored type are multiplied; I8 for int8
    /// activations.
    public DType multiplied(TensorType weights, DType compute) {
        return weights.multipliesInt8() && quantizesActivations() ? DType.I8 : compute;
    }

    /// Returns the bytes of a weight in its memory, about: quantized weights have those of their
    /// blocks on a CPU.
    public double bytesPerWeight(TensorType weights, DType compute) {
        return weights.isQuantized() && kind == Kind.CPU
                ? (double) weights.blockBytes() / weights.blockSize()
                : compute.bytes();
    }

    /// Returns whether embeddings are read in the mapped file; elsewhere they are copied as they
    /// are stored.
    public boolean mapsEmbeddings() {
        return kind == Kind.CPU;
    }

    /// Returns the largest head that its attention computes.
    public int maxHeadSize() {
        return switch (kind) {
            case CPU -> Integer.MAX_VALUE;
            case CUDA -> MAX_CUDA_HEAD;
        };
    }

    /// Returns the largest key of a state that its linear attention computes.
    public int maxStateKey() {
        return switch (kind) {
            case CPU -> Integer.MAX_VALUE;
            case CUDA -> MAX_CUDA_KEY;
        };
    }

    /// Returns whether equal steps give equal bits at any time. Elsewhere libraries promise it for
    /// some products only.
    public boolean repeatsBits() {
        return kind == Kind.CPU;
    }

    /// Returns the type of keys and values without `--kv-dtype`.
    public DType kvType(TensorType weights) {
        if (weights == TensorType.F32) {
            return DType.F32;
        }
        return switch (kind) {
            case CPU -> DType.F16;
            case CUDA -> DType.BF16;
        };
    }

    /// Returns the types that keys and values can be stored in, see [KvLayout]; I8 for q8.
    public Set<DType> kvTypes() {
        return switch (kind) {
            case CPU -> EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.I8, DType.FP8);
            case CUDA -> EnumSet.of(DType.F32, DType.F16, DType.BF16);
        };
    }

    /// Returns the goal for a step's time: decoding sequences wait no longer for another sequence's
    /// prefill.
    public Duration stepGoal() {
        return switch (kind) {
            case CPU -> Duration.ofMillis(250);
            case CUDA -> Duration.ofMillis(50);
        };
    }

    /// Returns the most tokens of a step without `--max-num-batched-tokens`. How many stay within
    /// the goal is measured; on few cores that is far less.
    public int maxStepTokens() {
        return switch (kind) {
            case CPU -> 1024;
            case CUDA -> 8192;
        };
    }
}
