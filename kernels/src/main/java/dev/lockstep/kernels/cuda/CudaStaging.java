// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A ring of pinned memory through which host memory gets to the device, in stream order: the host
/// may reuse its own memory at once. A part of the ring is used again when the device has read it.
final class CudaStaging implements AutoCloseable {
    /// The most bytes of a claim.
    static final long SLOT_BYTES = 1 << 20;

    private static final int SLOTS = 4;
    private static final long ALIGNMENT = 64;

    private final Cuda cuda;
    private final CudaStream stream;
    private final RecordingGuard guard;
    private final MemorySegment memory;
    private final CudaEvent[] read = new CudaEvent[SLOTS];
    private int slot;
    private long used;

    CudaStaging(Cuda cuda, CudaStream stream, RecordingGuard guard, CudaMemory memory) {
        this.cuda = cuda;
        this.stream = stream;
        this.guard = guard;
        this.memory = memory.pin(SLOTS * SLOT_BYTES, Arena.global());
        for (int i = 0; i < SLOTS; i++) {
            read[i] = cuda.event();
        }
    }

    /// Copies host memory to the device.
    void copy(MemorySegment from, DevicePointer to) {
        for (long at = 0; at < from.byteSize(); at += SLOT_BYTES) {
            long bytes = Math.min(SLOT_BYTES, from.byteSize() - at);
            enqueue(claim(bytes).copyFrom(from.asSlice(at, bytes)), to.plus(at));
        }
    }

    /// Returns memory for the caller to fill and to [#enqueue], before it claims more.
    MemorySegment claim(long bytes) {
        guard.refuse("a copy from the host");
        if (used + bytes > SLOT_BYTES) {
            cuda.record(read[slot], stream);
            slot = (slot + 1) % SLOTS;
            // An event that was not recorded yet counts as reached.
            cuda.await(read[slot]);
            used = 0;
        }
        MemorySegment claimed = memory.asSlice(slot * SLOT_BYTES + used, bytes);
        used = (used + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return claimed;
    }

    /// Copies claimed memory, or a part of it, to the device.
    void enqueue(MemorySegment claimed, DevicePointer to) {
        cuda.copyToDevice(to, claimed, stream);
    }

    @Override
    public void close() {
        for (CudaEvent event : read) {
            cuda.destroy(event);
        }
    }
}
