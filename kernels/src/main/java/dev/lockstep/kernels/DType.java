// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Element types of tensors in device memory; what a checkpoint stores is a `TensorType`.
public enum DType {
    F32(4),
    F16(2),
    BF16(2),
    I32(4),
    I8(1),
    /// E4M3 (OCP FP8), only of keys and values.
    FP8(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    public int bytes() {
        return bytes;
    }
}
