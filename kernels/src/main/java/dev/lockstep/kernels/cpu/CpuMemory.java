// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/// Zeroed, 64-byte aligned native memory, in 2 MiB pages where it is large.
///
/// [#buffer] allocates memory that its caller closes; [#reserve] allocates memory for weights,
/// which is freed when the kernels close this.
final class CpuMemory implements AutoCloseable {
    private static final long HUGE_PAGE = 2 << 20;
    private static final long CHUNK = 32 << 20;
    static final long ALIGNMENT = 64;

    private final AtomicLong allocated = new AtomicLong();
    private final Map<Long, Long> buffers = new ConcurrentHashMap<>();
    private final List<DeviceBuffer> chunks = new ArrayList<>();
    private long next;
    private long end;

    /// Allocates a buffer, no page of which is touched yet; the caller closes it.
    DeviceBuffer buffer(long bytes) {
        DeviceBuffer mapped = map(bytes);
        long address = mapped.pointer().address();
        buffers.put(address, bytes);
        return new DeviceBuffer(
                mapped.pointer(),
                bytes,
                () -> {
                    buffers.remove(address);
                    mapped.close();
                });
    }

    /// Returns the bytes of each open buffer by its address: memory that steps write to again and
    /// again, as opposed to what is reserved.
    Map<Long, Long> buffers() {
        return Map.copyOf(buffers);
    }

    private DeviceBuffer map(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a buffer of %d bytes".formatted(bytes));
        }
        // Aligning a large mapping to 2 MiB needs up to one huge page more.
        long slack = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
        long mapped = roundUp(Math.max(bytes, 1), ALIGNMENT) + slack;
        long start = Libc.map(mapped);
        long address = slack == 0 ? start : roundUp(start, HUGE_PAGE);
        if (slack != 0) {
            Libc.adviseHugePages(address, start + mapped - address);
        }
        allocated.addAndGet(bytes);
        return new DeviceBuffer(
                new DevicePointer(address),
                bytes,
                () -> {
                    Libc.unmap(start, mapped);
                    allocated.addAndGet(-bytes);
                });
    }

    /// Returns the bytes that are allocated and not freed.
    long allocatedBytes() {
        return allocated.get();
    }

    /// Reserves memory that lives as long as the kernels. Small weights share huge pages.
    synchronized long reserve(long bytes) {
        long size = roundUp(bytes, ALIGNMENT);
        if (size > end - next) {
            if (size >= CHUNK) {
                return chunk(size);
            }
            next = chunk(CHUNK);
            end = next + CHUNK;
        }
        long address = next;
        next += size;
        return address;
    }

    /// Gives the pages of reserved memory back that is not used after all.
    void discard(long address, long bytes) {
        long from = roundUp(address, Libc.PAGE_BYTES);
        long to = (address + bytes) / Libc.PAGE_BYTES * Libc.PAGE_BYTES;
        if (from < to) {
            Libc.discard(from, to - from);
        }
    }

    @Override
    public synchronized void close() {
        chunks.forEach(DeviceBuffer::close);
        chunks.clear();
        next = 0;
        end = 0;
    }

    static long roundUp(long value, long multiple) {
        return (value + multiple - 1) / multiple * multiple;
    }

    private long chunk(long bytes) {
        DeviceBuffer chunk = map(bytes);
        chunks.add(chunk);
        return chunk.pointer().address();
    }
}
