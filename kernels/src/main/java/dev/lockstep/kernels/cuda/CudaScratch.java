// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.ScratchNeed;

/// Scratch memory that only grows; growing loses its content. The op that owns it closes it.
final class CudaScratch implements ScratchNeed.Memory, AutoCloseable {
    private final CudaMemory memory;
    private DeviceBuffer buffer = nothing();

    CudaScratch(CudaMemory memory) {
        this.memory = memory;
    }

    private static DeviceBuffer nothing() {
        return new DeviceBuffer(new DevicePointer(0), 0, () -> {});
    }

    /// Returns at least `bytes` bytes, 256-byte aligned.
    DevicePointer atLeast(long bytes) {
        reserve(bytes);
        return buffer.pointer();
    }

    /// Grows to exactly `bytes`, if it is smaller.
    @Override
    public void reserve(long bytes) {
        if (bytes > buffer.bytes()) {
            close();
            buffer = memory.buffer(bytes);
        }
    }

    @Override
    public long bytes() {
        return buffer.bytes();
    }

    @Override
    public void close() {
        buffer.close();
        // What cannot grow holds nothing.
        buffer = nothing();
    }
}
