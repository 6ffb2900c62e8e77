// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// An address in a device's memory. It is not a `MemorySegment`, so reading it from the host does
/// not compile.
public record DevicePointer(long address) {

    public DevicePointer plus(long bytes) {
        return new DevicePointer(address + bytes);
    }
}
