// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Copies between host segments, dense, and tensors, which may have gaps between rows.
final class HostCopies {
    private static final long PIECE = 1 << 20;

    private final Cuda cuda;
    private final CudaStream stream;
    private final CudaMemory memory;
    private final CudaStaging staging;
    private final CudaMarks marks;
    private final MemorySegment received;

    HostCopies(
            Cuda cuda, CudaStream stream, CudaMemory memory, CudaStaging staging, CudaMarks marks) {
        this.cuda = cuda;
        this.stream = stream;
        this.memory = memory;
        this.staging = staging;
        this.marks = marks;
        received = memory.pin(PIECE, Arena.global());
    }

    void toDevice(MemorySegment host, Tensor target) {
        target.requireRoom(host);
        long rowBytes = target.runBytes();
        for (int row = 0; row < target.runs(); row++) {
            staging.copy(host.asSlice(row * rowBytes, rowBytes), target.run(row));
        }
    }

    void toHostLater(Tensor source, MemorySegment host) {
        source.requireRoom(host);
        if (!memory.isPinned(host)) {
            throw new IllegalArgumentException("a later copy needs memory of allocateHost");
        }
        long rowBytes = source.runBytes();
        for (int row = 0; row < source.runs(); row++) {
            cuda.copyToHost(host.asSlice(row * rowBytes, rowBytes), source.run(row), stream);
        }
    }

    void toHost(Tensor source, MemorySegment host) {
        source.requireRoom(host);
        long rowBytes = source.runBytes();
        long filled = 0;
        long begun = 0;
        for (int row = 0; row < source.runs(); row++) {
            for (long at = 0; at < rowBytes; ) {
                long bytes = Math.min(rowBytes - at, PIECE - filled);
                cuda.copyToHost(received.asSlice(filled, bytes), source.run(row).plus(at), stream);
                at += bytes;
                filled += bytes;
                if (filled == PIECE) {
                    begun = receive(host, begun, filled);
                    filled = 0;
                }
            }
        }
        receive(host, begun, filled);
    }

    /// Waits for what was enqueued and returns where the next piece begins.
    private long receive(MemorySegment host, long at, long bytes) {
        marks.mark().await();
        MemorySegment.copy(received, 0, host, at, bytes);
        return at + bytes;
    }
}
