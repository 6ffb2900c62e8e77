// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;

/// Copies between host segments, dense, and tensors, which may have gaps between rows.
final class HostCopy {
    private HostCopy() {}

    static void toDevice(MemorySegment host, Tensor target) {
        requireRoom(host, target);
        long rowBytes = rowBytes(target);
        for (int row = 0; row < rows(target); row++) {
            MemorySegment.copy(
                    host, row * rowBytes, AllMemory.SEGMENT, address(target, row), rowBytes);
        }
    }

    static void toHost(Tensor source, MemorySegment host) {
        requireRoom(host, source);
        long rowBytes = rowBytes(source);
        for (int row = 0; row < rows(source); row++) {
            MemorySegment.copy(
                    AllMemory.SEGMENT, address(source, row), host, row * rowBytes, rowBytes);
        }
    }

    // A dense tensor is copied as one row.

    private static int rows(Tensor tensor) {
        return tensor.isDense() ? 1 : tensor.rows();
    }

    private static long rowBytes(Tensor tensor) {
        return tensor.isDense() ? tensor.bytes() : (long) tensor.columns() * tensor.type().bytes();
    }

    private static long address(Tensor tensor, int row) {
        return tensor.pointer().address() + (long) row * tensor.stride() * tensor.type().bytes();
    }

    private static void requireRoom(MemorySegment host, Tensor tensor) {
        if (host.byteSize() < tensor.bytes()) {
            throw new IllegalArgumentException(
                    "host segment of %d bytes for a tensor of %d"
                            .formatted(host.byteSize(), tensor.bytes()));
        }
    }
}
