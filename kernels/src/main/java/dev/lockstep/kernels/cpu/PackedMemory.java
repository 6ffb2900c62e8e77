// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The packed segments of a rank in memory, to be copied from until it is closed: afterwards their
/// memory may be unmapped. Thread-safe.
final class PackedMemory implements AutoCloseable {
    private final List<Segment> segments = new ArrayList<>();
    private boolean closed;

    /// @param key 64 hexadecimal digits
    record Segment(String key, long address, long bytes) {}

    synchronized void add(Segment segment) {
        segments.add(segment);
    }

    synchronized List<Segment> segments() {
        return List.copyOf(segments);
    }

    long bytes() {
        return segments().stream().mapToLong(Segment::bytes).sum();
    }

    /// Fills `into` from a place in a segment and flips it; returns false if this is closed.
    synchronized boolean copy(Segment segment, long at, ByteBuffer into) {
        if (closed) {
            return false;
        }
        int length = (int) Math.min(into.capacity(), segment.bytes() - at);
        into.clear();
        into.put(AllMemory.SEGMENT.asSlice(segment.address() + at, length).asByteBuffer());
        into.flip();
        return true;
    }

    /// Waits until this is closed, for that time at most; returns whether it is.
    synchronized boolean awaitClosed(Duration time) {
        long end = System.nanoTime() + time.toNanos();
        long left = time.toNanos();
        try {
            while (!closed && left > 0) {
                TimeUnit.NANOSECONDS.timedWait(this, left);
                left = end - System.nanoTime();
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return true;
        }
        return closed;
    }

    @Override
    public synchronized void close() {
        closed = true;
        notifyAll();
    }
}
