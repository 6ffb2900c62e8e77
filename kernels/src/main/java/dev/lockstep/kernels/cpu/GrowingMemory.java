// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.ScratchNeed;

/// Scratch memory that only grows; growing loses its content. The op that owns it closes it.
final class GrowingMemory implements ScratchNeed.Memory, AutoCloseable {
    private final CpuMemory memory;
    private DeviceBuffer buffer;

    GrowingMemory(CpuMemory memory) {
        this.memory = memory;
        buffer = memory.buffer(0);
    }

    /// Returns the address of at least `bytes` bytes.
    long atLeast(long bytes) {
        if (bytes > buffer.bytes()) {
            reserve(Math.max(bytes, 2 * buffer.bytes()));
        }
        return buffer.pointer().address();
    }

    /// Grows to exactly `bytes`, if it is smaller.
    @Override
    public void reserve(long bytes) {
        if (bytes > buffer.bytes()) {
            buffer.close();
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
    }
}
