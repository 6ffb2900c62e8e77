// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.WeightRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The packed weights of a rank between starts: taken from a file if there is one that fits, else
/// packed, and written to the file once the rank serves.
///
/// Whatever is wrong with the file costs the time of packing and a line in the log. The loading
/// thread asks for segments; the kernels close this before the memory of the segments.
final class PackedCache implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(PackedCache.class);
    private static final Duration TIDYING = Duration.ofSeconds(1);

    private final PackedLabel label;
    private final PackedFolder folder;
    private final Path file;
    private final PackedOutput.Opener opener;
    private final Consumer<String> report;
    private final SegmentKeys keys = new SegmentKeys();
    private final PackedMemory segments = new PackedMemory();
    private volatile Optional<Source> source;
    private volatile boolean complete = true;
    private boolean damaged;
    private @Nullable Thread writer;

    private record Source(PackedFile file, PackedPlacement placement) {}

    PackedCache(PackedOptions options, PackedLayout layout, CpuMemory memory, ThreadTeam team) {
        this(options, layout, memory, team, PackedOutput::toFile, LOG::warn);
    }

    /// @param report receives the line of everything that went wrong
    PackedCache(
            PackedOptions options,
            PackedLayout layout,
            CpuMemory memory,
            ThreadTeam team,
            PackedOutput.Opener opener,
            Consumer<String> report) {
        this.label = new PackedLabel(options.shard(), layout);
        this.folder = new PackedFolder(options.folder());
        this.file = folder.path().resolve(label.fileName());
        this.opener = opener;
        this.report = report;
        sweep();
        source = open(options.access(), memory, team);
    }

    /// Returns the address of a segment, from the file or by `pack`.
    long segment(WeightRows rows, WeightFormat format, long bytes, LongSupplier pack) {
        if (bytes == 0) {
            return pack.getAsLong();
        }
        String key = keys.next(rows, format);
        long address = find(key, bytes);
        if (address == 0) {
            complete = false;
            address = pack.getAsLong();
        }
        segments.add(new PackedMemory.Segment(key, address, bytes));
        return address;
    }

    /// Returns the bytes of segments that are pages of the file.
    long mappedBytes() {
        return source.map(each -> each.placement().mappedBytes()).orElse(0L);
    }

    /// Writes the file on a thread of its own, if not every segment came from it, and closes a file
    /// that was read: every segment is there. The call after the first one does nothing.
    synchronized void writeLater() {
        if (source.isPresent() && source.get().placement() instanceof ReadPlacement) {
            closeSource();
        }
        if (writer == null && !complete) {
            writer = Thread.ofPlatform().daemon().name("packed-weights").start(this::write);
        }
    }

    /// Waits until the file is written, or is not.
    void awaitWritten() throws InterruptedException {
        @Nullable Thread thread;
        synchronized (this) {
            thread = writer;
        }
        if (thread != null) {
            thread.join();
        }
    }

    /// Ends the writing, which touches no segment afterwards.
    void stopWriting() {
        segments.close();
        @Nullable Thread thread;
        synchronized (this) {
            thread = writer;
        }
        if (thread != null) {
            try {
                // It deletes its unfinished file; what it cannot delete, the next start does.
                var _ = thread.join(TIDYING);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /// Ends the writing and unmaps the file: no thread computes with its segments any more.
    @Override
    public void close() {
        stopWriting();
        closeSource();
    }

    private synchronized void closeSource() {
        source.ifPresent(
                each -> {
                    each.placement().close();
                    close(each.file());
                });
        source = Optional.empty();
    }

    private void sweep() {
        try {
            folder.sweep();
        } catch (IOException failure) {
            LOG.debug("{} cannot be swept", folder.path(), failure);
        }
    }

    private Optional<Source> open(PackedOptions.Access access, CpuMemory memory, ThreadTeam team) {
        try {
            PackedFile opened = PackedFile.open(file);
            boolean used = false;
            try {
                if (opened.label().serves(label)) {
                    PackedPlacement placement = PackedPlacement.of(access, opened, memory, team);
                    used = true;
                    PackedFolder.use(file);
                    LOG.info("Packed weights come from {}", file);
                    return Optional.of(new Source(opened, placement));
                }
                LOG.info("{} was packed from other files or by other kernels: made anew", file);
            } finally {
                if (!used) {
                    close(opened);
                }
            }
        } catch (NoSuchFileException _) {
            LOG.info("No packed weights in {} yet", file);
        } catch (IOException unusable) {
            reportUnusable(unusable);
        }
        return Optional.empty();
    }

    private long find(String key, long bytes) {
        Optional<Source> opened = source;
        if (opened.isEmpty()) {
            return 0;
        }
        Optional<PackedFile.Segment> found = opened.get().file().find(key, bytes);
        if (found.isEmpty()) {
            return 0;
        }
        try {
            return opened.get().placement().place(found.get());
        } catch (IOException failure) {
            if (!damaged) {
                damaged = true;
                reportUnusable(failure);
                delete();
            }
            return 0;
        }
    }

    private void reportUnusable(IOException failure) {
        report.accept(
                "%s is made anew: %s"
                        .formatted(
                                file,
                                failure instanceof PackedFileException refusal
                                        ? refusal.reason()
                                        : failure.toString()));
    }

    /// Deletes the file, so that nobody takes it for whole.
    private void delete() {
        try {
            Files.deleteIfExists(file);
        } catch (IOException failure) {
            LOG.info("{} cannot be deleted: {}", file, failure.toString());
        }
    }

    private void write() {
        try {
            folder.prepare();
            try (PackedFolder.@Nullable Hold hold = folder.hold(segments).orElse(null)) {
                if (hold != null) {
                    writeAlone();
                }
            }
        } catch (IOException | RuntimeException failure) {
            report.accept(
                    "packed weights are not kept in %s, the next start packs again: %s; free space there or make it writable, name another folder by XDG_CACHE_HOME, or set --packed-cache=off"
                            .formatted(folder.path(), failure));
        }
    }

    private void writeAlone() throws IOException {
        folder.deleteUnfinished();
        if (isWrittenByAnother()) {
            return;
        }
        long bytes = segments.bytes();
        folder.makeRoom(label, bytes);
        if (new PackedWriter(label, segments, opener).write(file)) {
            LOG.info("Packed weights are kept in {}, {} MiB", file, bytes >> 20);
        }
    }

    /// Returns whether another process with the same shard has written all segments meanwhile.
    private boolean isWrittenByAnother() {
        try (PackedFile other = PackedFile.open(file)) {
            return other.label().serves(label)
                    && segments.segments().stream().allMatch(each -> other.has(each.key()));
        } catch (IOException _) {
            return false;
        }
    }

    private static void close(PackedFile file) {
        try {
            file.close();
        } catch (IOException failure) {
            LOG.info("{} cannot be closed: {}", file.path(), failure.toString());
        }
    }
}
