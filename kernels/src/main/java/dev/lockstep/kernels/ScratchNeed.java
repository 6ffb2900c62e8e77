// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.List;

/// The bytes of scratch memory that an op needs for the largest step.
public record ScratchNeed(Memory memory, long bytes) {

    /// Scratch memory that only grows.
    public interface Memory {
        long bytes();

        /// Grows to `bytes`, if it is smaller.
        void reserve(long bytes);
    }

    /// Allocates what is needed; throws if that exceeds the free bytes of the device.
    public static void reserve(List<ScratchNeed> needs, long free) {
        long missing = needs.stream().mapToLong(ScratchNeed::missing).sum();
        if (missing > free) {
            throw new OutOfDeviceMemoryException(missing, free);
        }
        needs.forEach(need -> need.memory.reserve(need.bytes));
    }

    /// Returns the bytes that are not allocated yet.
    private long missing() {
        return memory.bytes() >= bytes ? 0 : bytes;
    }
}
