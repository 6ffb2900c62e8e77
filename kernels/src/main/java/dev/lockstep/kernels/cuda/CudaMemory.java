// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Zeroed device memory, and host memory that the device reaches.
///
/// [#buffer] allocates memory that its caller closes; [#reserve] allocates memory for weights,
/// which is freed when the kernels close this. Nothing is allocated within a recording.
final class CudaMemory implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(CudaMemory.class);
    private static final long CHUNK = 2 << 20;
    private static final long ALIGNMENT = 256;
    private static final int OUT_OF_MEMORY = 2;

    private final Cuda cuda;
    private final CudaStream stream;
    private final RecordingGuard guard;
    private final AtomicLong allocated = new AtomicLong();
    private final List<DeviceBuffer> chunks = new ArrayList<>();
    private final ConcurrentSkipListMap<Long, PinnedMemory> pinned = new ConcurrentSkipListMap<>();
    private DevicePointer next = new DevicePointer(0);
    private long room;

    CudaMemory(Cuda cuda, CudaStream stream, RecordingGuard guard) {
        this.cuda = cuda;
        this.stream = stream;
        this.guard = guard;
    }

    /// Allocates a buffer that is zero for ops called from now on; the caller closes it.
    DeviceBuffer buffer(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a buffer of %d bytes".formatted(bytes));
        }
        guard.refuse("an allocation of device memory");
        long held = Math.max(bytes, 1);
        DevicePointer memory = allocate(held);
        allocated.addAndGet(bytes);
        var buffer = new DeviceBuffer(memory, bytes, () -> free(memory, bytes));
        try {
            cuda.fill(memory, (byte) 0, held, stream);
        } catch (RuntimeException failure) {
            buffer.close();
            throw failure;
        }
        return buffer;
    }

    private DevicePointer allocate(long bytes) {
        try {
            return cuda.allocate(bytes);
        } catch (CudaException failure) {
            if (failure.code() != OUT_OF_MEMORY) {
                throw failure;
            }
            var tooLittle =
                    new OutOfDeviceMemoryException(
                            "%s; %d MiB were asked for"
                                    .formatted(failure.getMessage(), bytes >> 20),
                            bytes,
                            freeBytes());
            tooLittle.initCause(failure);
            throw tooLittle;
        }
    }

    private void free(DevicePointer memory, long bytes) {
        guard.refuse("freeing device memory");
        allocated.addAndGet(-bytes);
        try {
            cuda.free(memory);
        } catch (DeviceLostException lost) {
            LOG.debug("The memory of a lost device is lost with it", lost);
        }
    }

    /// Reserves memory that lives as long as the kernels, 256-byte aligned. Small weights share
    /// chunks.
    synchronized DevicePointer reserve(long bytes) {
        long size = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (size > room) {
            if (size >= CHUNK) {
                return chunk(size);
            }
            next = chunk(CHUNK);
            room = CHUNK;
        }
        DevicePointer reserved = next;
        next = next.plus(size);
        room -= size;
        return reserved;
    }

    private DevicePointer chunk(long bytes) {
        DeviceBuffer chunk = buffer(bytes);
        chunks.add(chunk);
        return chunk.pointer();
    }

    /// Allocates host memory for copies that do not wait, freed with `arena` or with this.
    @SuppressWarnings("restricted")
    MemorySegment pin(long bytes, Arena arena) {
        guard.refuse("an allocation of host memory");
        PinnedMemory memory = cuda.pin(Math.max(bytes, 1));
        long address = memory.host().address();
        pinned.put(address, memory);
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, _ -> unpin(address));
    }

    private void unpin(long address) {
        PinnedMemory memory = pinned.remove(address);
        if (memory != null) {
            cuda.attachThread();
            cuda.free(memory);
        }
    }

    /// Returns the address of memory that [#pin] returned as a kernel sees it.
    DevicePointer device(MemorySegment host) {
        PinnedMemory memory = pinned.get(host.address());
        if (memory == null) {
            throw new IllegalArgumentException("%s is not pinned".formatted(host));
        }
        return memory.device();
    }

    /// Returns whether `host` is part of memory that [#pin] returned.
    boolean isPinned(MemorySegment host) {
        if (!host.isNative()) {
            return false;
        }
        Map.Entry<Long, PinnedMemory> below = pinned.floorEntry(host.address());
        return below != null
                && host.address() + host.byteSize()
                        <= below.getKey() + below.getValue().host().byteSize();
    }

    /// Returns the bytes that are allocated and not freed.
    long allocatedBytes() {
        return allocated.get();
    }

    long freeBytes() {
        return cuda.freeBytes();
    }

    @Override
    public synchronized void close() {
        chunks.forEach(DeviceBuffer::close);
        chunks.clear();
        room = 0;
        List.copyOf(pinned.keySet()).forEach(this::unpin);
    }
}
