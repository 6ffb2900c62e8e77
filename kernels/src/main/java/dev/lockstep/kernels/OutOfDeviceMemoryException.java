// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Thrown if a device has less free memory than is to be allocated.
public final class OutOfDeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final long needed;
    private final long free;

    /// Creates the exception of [Kernels#reserve].
    OutOfDeviceMemoryException(long needed, long free) {
        this("ops need %d MiB more of scratch memory".formatted(needed >> 20), needed, free);
    }

    /// @param what failed
    public OutOfDeviceMemoryException(String what, long needed, long free) {
        super("%s, %d MiB are free".formatted(what, free >> 20));
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
