// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import dev.lockstep.proto.v1.JournalRecord;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// Writes records to the disk, on a thread of its own. Those of all requests that arrive within 10
/// ms, or while the disk is busy, are written together and wait for the disk once.
///
/// There is one file. It begins with all that is to be kept and is written anew when it has too
/// much else, and after a failure, because nobody knows what a file has after that. Until then
/// nothing is written, and what would have to be on the disk is refused.
final class JournalLog implements AutoCloseable {
    static final String SUFFIX = ".log";
    static final String UNFINISHED = ".part";

    /// The limit of what waits for the disk.
    static final long MAX_QUEUED_BYTES = 32 << 20;

    /// The limit of the pause between two attempts to write again, in ticks; it doubles from one
    /// on.
    private static final int MAX_PAUSE_TICKS = 30;

    private static final Duration COMMIT_PAUSE = Duration.ofMillis(10);
    private static final long SPARE_BYTES = 16 << 20;
    private static final Duration MAX_CLOSING = Duration.ofSeconds(5);
    private static final Logger LOG = LogManager.getLogger(JournalLog.class);

    private final JournalDisk disk;
    private final String folder;
    private final State state;
    private final long tickNanos;
    private final long rewritePauseNanos;
    private final SecureRandom random = new SecureRandom();
    private final Thread writer;
    private final LongAdder records = new LongAdder();
    private final LongAdder commits = new LongAdder();
    private final LongAdder bytes = new LongAdder();

    // Guarded by this.
    private Batch queue = new Batch();
    private Optional<JournalUnavailableException> fault = Optional.empty();
    private boolean closed;

    // Owned by the writer's thread.
    private JournalDisk.@Nullable Appender file;
    private JournalFrames frames = new JournalFrames(0);
    private long number;
    private long fileBytes;
    private long rewrittenNanos;
    private boolean broken;
    private int pauseTicks = 1;
    private int waitedTicks;
    private boolean undeletable;

    /// What is to be kept. Its methods are called by the writer's thread.
    interface State {
        /// Returns everything, with what was appended until now.
        List<JournalRecord> records();

        /// Returns the bytes of [#records], or more.
        long bytes();

        /// Whether the file has what is to be removed from the disk.
        boolean isStale();

        /// Called again and again. Returns what is to be written.
        List<JournalRecord> tick();
    }

    private static final class Batch {
        final List<JournalRecord> records = new ArrayList<>();
        final List<CompletableFuture<Void>> waiting = new ArrayList<>();
        long bytes;

        void written() {
            waiting.forEach(each -> each.complete(null));
        }
    }

    /// @param folder for messages
    /// @param number of the last file
    /// @param tick the time between two calls of [State#tick], and before the first attempt to
    ///   write again
    /// @param rewritePause the least time between two files
    JournalLog(
            JournalDisk disk,
            String folder,
            State state,
            long number,
            Duration tick,
            Duration rewritePause) {
        this.disk = disk;
        this.folder = folder;
        this.state = state;
        this.number = number;
        this.tickNanos = tick.toNanos();
        this.rewritePauseNanos = rewritePause.toNanos();
        this.writer = Thread.ofPlatform().daemon().name("journal").unstarted(this::run);
    }

    /// Writes the first file and starts the thread.
    void start() {
        write(new Batch());
        writer.start();
    }

    /// Returns the number of a file, or empty if it is another's.
    static Optional<Long> number(String name) {
        return name.matches("journal-\\d{10}\\.log")
                ? Optional.of(Long.parseLong(name.substring(8, 18)))
                : Optional.empty();
    }

    static String name(long number) {
        return "journal-%010d%s".formatted(number, SUFFIX);
    }

    JournalCounts counts(int recovered) {
        return new JournalCounts(records.sum(), commits.sum(), bytes.sum(), recovered);
    }

    /// Throws while nothing is written.
    synchronized void requireAvailable() {
        if (fault.isPresent()) {
            throw fault.get();
        }
    }

    /// Has a record written, unless nothing is.
    synchronized void append(JournalRecord record) {
        if (fault.isPresent() || closed) {
            return;
        }
        if (queue.bytes > MAX_QUEUED_BYTES) {
            fail(queue, "the disk does not keep up");
            queue = new Batch();
            return;
        }
        queue.records.add(record);
        queue.bytes += JournalFrames.size(record);
        notifyAll();
    }

    /// Has a record written. The result is complete when it is on the disk.
    synchronized CompletableFuture<Void> commit(JournalRecord record) {
        append(record);
        if (closed) {
            return CompletableFuture.failedFuture(unavailable("is closed"));
        }
        if (fault.isPresent()) {
            return CompletableFuture.failedFuture(fault.get());
        }
        var done = new CompletableFuture<Void>();
        queue.waiting.add(done);
        return done;
    }

    /// Writes what waits, and ends.
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            if (!writer.join(MAX_CLOSING)) {
                LOG.warn("the disk of {} does not answer; what waits for it is lost", folder);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        long tick = System.nanoTime();
        for (boolean more = true; more; ) {
            more = awaitRecords(tick + tickNanos);
            Batch batch = take();
            boolean due = System.nanoTime() - tick >= tickNanos;
            if (due) {
                tick = System.nanoTime();
                batch.records.addAll(state.tick());
            }
            waitedTicks += due ? 1 : 0;
            if (isAvailable() || waitedTicks >= pauseTicks || !more) {
                write(batch);
            } else {
                refuse(batch);
            }
            pause();
        }
        closeFile();
    }

    /// Waits for records until the time has come. Returns false at the end.
    private synchronized boolean awaitRecords(long untilNanos) {
        try {
            while (!closed && queue.records.isEmpty() && untilNanos - System.nanoTime() > 0) {
                TimeUnit.NANOSECONDS.timedWait(this, untilNanos - System.nanoTime());
            }
        } catch (InterruptedException e) {
            closed = true;
        }
        return !closed;
    }

    private synchronized Batch take() {
        Batch taken = queue;
        queue = new Batch();
        return taken;
    }

    private synchronized boolean isAvailable() {
        return fault.isEmpty();
    }

    /// Lets records gather.
    private synchronized void pause() {
        long end = System.nanoTime() + COMMIT_PAUSE.toNanos();
        try {
            while (!closed && end - System.nanoTime() > 0) {
                TimeUnit.NANOSECONDS.timedWait(this, end - System.nanoTime());
            }
        } catch (InterruptedException e) {
            closed = true;
        }
    }

    private void write(Batch batch) {
        // From here on records are queued again, so that none is missing behind a new file.
        waitedTicks = 0;
        boolean again = endFault() || file == null || isTooLong() || mustForget();
        try {
            if (again) {
                rewrite();
            } else if (!batch.records.isEmpty()) {
                append(batch.records);
            }
            batch.written();
            pauseTicks = 1;
            if (broken) {
                LOG.info("the journal {}/{} is written again", folder, name(number));
                broken = false;
            }
        } catch (IOException | RuntimeException e) {
            pauseTicks = broken ? Math.min(2 * pauseTicks, MAX_PAUSE_TICKS) : 1;
            if (!broken) {
                LOG.warn(
                        "the journal {}/{} cannot be written, new requests are refused: {}",
                        folder,
                        name(number),
                        e.toString());
                broken = true;
            }
            synchronized (this) {
                refuse(batch);
                refuse(take());
            }
        }
    }

    private synchronized boolean endFault() {
        boolean had = fault.isPresent();
        fault = Optional.empty();
        return had;
    }

    private synchronized void refuse(Batch batch) {
        fail(batch, "cannot be written");
    }

    private synchronized void fail(Batch batch, String why) {
        JournalUnavailableException failure = unavailable(why);
        fault = Optional.of(failure);
        batch.waiting.forEach(each -> each.completeExceptionally(failure));
    }

    private JournalUnavailableException unavailable(String why) {
        return new JournalUnavailableException("the journal " + name(number) + " " + why);
    }

    private boolean isTooLong() {
        return fileBytes > 2 * state.bytes() + SPARE_BYTES;
    }

    private boolean mustForget() {
        return state.isStale() && System.nanoTime() - rewrittenNanos >= rewritePauseNanos;
    }

    private void append(List<JournalRecord> added) throws IOException {
        JournalDisk.Appender to = Objects.requireNonNull(file);
        append(frames.frames(added), added.size(), to);
        force(to);
    }

    private void append(ByteBuffer frame, int count, JournalDisk.Appender to) throws IOException {
        int size = frame.remaining();
        fileBytes += size;
        to.append(frame);
        records.add(count);
        bytes.add(size);
    }

    private void force(JournalDisk.Appender to) throws IOException {
        to.force();
        commits.increment();
    }

    /// Writes a file with all that is to be kept, and removes the others.
    private void rewrite() throws IOException {
        closeFile();
        String name = name(number + 1);
        String unfinished = name + UNFINISHED;
        frames = new JournalFrames(random.nextLong());
        JournalDisk.Appender next = disk.create(unfinished);
        try {
            fileBytes = 0;
            append(frames.header(), 0, next);
            for (JournalRecord record : state.records()) {
                append(frames.frames(List.of(record)), 1, next);
            }
            force(next);
            disk.rename(unfinished, name);
        } catch (IOException | RuntimeException e) {
            next.close();
            delete(unfinished);
            throw e;
        }
        file = next;
        number++;
        rewrittenNanos = System.nanoTime();
        for (String other : disk.names()) {
            if (isOurs(other) && !other.equals(name)) {
                delete(other);
            }
        }
    }

    /// Deletes a file that is not read again; the next time too, if it remains.
    private void delete(String name) {
        try {
            disk.delete(name);
        } catch (IOException e) {
            if (!undeletable) {
                LOG.warn("{}/{} of the journal cannot be deleted: {}", folder, name, e.toString());
                undeletable = true;
            }
        }
    }

    private static boolean isOurs(String name) {
        return number(name).isPresent()
                || (name.endsWith(UNFINISHED)
                        && number(name.substring(0, name.length() - UNFINISHED.length()))
                                .isPresent());
    }

    private void closeFile() {
        JournalDisk.Appender open = file;
        file = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                LOG.debug("the journal {} was not closed", name(number), e);
            }
        }
    }
}
