// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/// The memory that all ranks of a host share: one mapped file without a name, with flags to wait
/// for and one word that aborts all ranks.
///
/// The communicator that formed it closes it; the memory is freed when the last rank has closed it
/// or ended.
final class SharedRegion implements AutoCloseable {
    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    static final int ABORT_WRITING = 1;
    static final int ABORTED = 2;

    /// How long a rank may take to write why it aborts: it has a core for a microsecond, sooner or
    /// later.
    private static final Duration WRITING = Duration.ofSeconds(1);

    private static final long PAUSE_NANOS = 50_000;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final RegionLayout layout;

    SharedRegion(FileChannel file, RegionLayout layout) throws IOException {
        try {
            this.memory = file.map(MapMode.READ_WRITE, 0, layout.totalBytes(), arena);
        } catch (IOException e) {
            arena.close();
            throw e;
        }
        this.layout = layout;
    }

    MemorySegment memory() {
        return memory;
    }

    RegionLayout layout() {
        return layout;
    }

    int readInt(long offset) {
        return (int) INT.getAcquire(memory, offset);
    }

    void writeInt(long offset, int value) {
        INT.setRelease(memory, offset, value);
    }

    long readLong(long offset) {
        return (long) LONG.getAcquire(memory, offset);
    }

    void writeLong(long offset, long value) {
        LONG.setRelease(memory, offset, value);
    }

    /// Writes `value` if the word is 0; returns whether it did.
    boolean claimLong(long offset, long value) {
        return LONG.compareAndSet(memory, offset, 0L, value);
    }

    ProcessIdentity readIdentity(long offset) {
        return new ProcessIdentity(readLong(offset), readLong(offset + 8), readLong(offset + 16));
    }

    void writeIdentity(long offset, ProcessIdentity identity) {
        writeLong(offset, identity.pid());
        writeLong(offset + 8, identity.startTicks());
        writeLong(offset + 16, identity.namespace());
    }

    // Flags: an int that only grows (and wraps), raised by one rank, waited for by others.

    boolean isReached(long flag, int value) {
        return readInt(flag) - value >= 0;
    }

    /// Raises the flag to `value`, which publishes all preceding writes of this thread, and wakes
    /// the sleeping ranks.
    void raise(long flag, int value) {
        INT.setVolatile(memory, flag, value);
        if ((int) INT.getVolatile(memory, flag + RegionLayout.WAITERS) > 0) {
            Futex.wakeAll(memory, flag);
        }
    }

    /// Sleeps until the flag may have been raised to `value`, at most 100 ms.
    void sleep(long flag, int value) {
        INT.getAndAdd(memory, flag + RegionLayout.WAITERS, 1);
        try {
            int seen = (int) INT.getVolatile(memory, flag);
            if (seen - value < 0) {
                Futex.sleep(memory, flag, seen);
            }
        } finally {
            INT.getAndAdd(memory, flag + RegionLayout.WAITERS, -1);
        }
    }

    // Abort.

    /// Aborts all ranks; the first reason is kept.
    void abort(String reason) {
        if (!INT.compareAndSet(memory, (long) RegionLayout.ABORT, 0, ABORT_WRITING)) {
            return;
        }
        byte[] text = reason.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(text.length, RegionLayout.ABORT_TEXT_BYTES);
        MemorySegment.copy(text, 0, memory, ValueLayout.JAVA_BYTE, RegionLayout.ABORT_TEXT, length);
        writeInt(RegionLayout.ABORT_LENGTH, length);
        writeInt(RegionLayout.ABORT, ABORTED);
    }

    boolean isAborted() {
        return readInt(RegionLayout.ABORT) != 0;
    }

    Optional<String> abortReason() {
        if (!isAborted()) {
            return Optional.empty();
        }
        // Sleeps, because the rank that writes may wait for this core. It ends while it writes only
        // if it is killed.
        long deadline = System.nanoTime() + WRITING.toNanos();
        while (readInt(RegionLayout.ABORT) != ABORTED) {
            if (System.nanoTime() - deadline > 0) {
                return Optional.of("aborted by a rank that ended before it wrote the reason");
            }
            LockSupport.parkNanos(PAUSE_NANOS);
        }
        byte[] text = new byte[readInt(RegionLayout.ABORT_LENGTH)];
        MemorySegment.copy(
                memory, ValueLayout.JAVA_BYTE, RegionLayout.ABORT_TEXT, text, 0, text.length);
        return Optional.of(new String(text, StandardCharsets.UTF_8));
    }

    @Override
    public void close() {
        arena.close();
    }
}
