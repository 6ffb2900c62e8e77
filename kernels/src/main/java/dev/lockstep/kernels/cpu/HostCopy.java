// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;

/// Copies between host segments, dense, and tensors, which may have gaps between rows.
final class HostCopy {
    private HostCopy() {}

    static void toDevice(MemorySegment host, Tensor target) {
        target.requireRoom(host);
        long rowBytes = target.runBytes();
        for (int row = 0; row < target.runs(); row++) {
            MemorySegment.copy(
                    host, row * rowBytes, AllMemory.SEGMENT, target.run(row).address(), rowBytes);
        }
    }

    static void toHost(Tensor source, MemorySegment host) {
        source.requireRoom(host);
        long rowBytes = source.runBytes();
        for (int row = 0; row < source.runs(); row++) {
            MemorySegment.copy(
                    AllMemory.SEGMENT, source.run(row).address(), host, row * rowBytes, rowBytes);
        }
    }
}
