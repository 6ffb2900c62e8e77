// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Thrown by [Kernels#reserve] if ops need more scratch memory than is free.
public final class OutOfDeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final long needed;
    private final long free;

    public OutOfDeviceMemoryException(long needed, long free) {
        super(
                "ops need %d MiB more of scratch memory, %d MiB are free"
                        .formatted(needed >> 20, free >> 20));
        this.needed = needed;
        this.free = free;
    }

    public long neededBytes() {
        return needed;
    }

    public long freeBytes() {
        return free;
    }
}
