// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The folder of a user's packed weights. Everything in it can be deleted at any time: a process
/// that has a file open keeps it.
public record PackedFolder(Path path) {
    static final String SUFFIX = ".packed";
    static final String UNFINISHED = ".unfinished";
    static final String UNREADABLE = "it cannot be read";

    /// What was used within this time is not deleted for something else.
    private static final Duration IN_USE = Duration.ofDays(1);

    private static final Duration LOCK_RETRY = Duration.ofMillis(100);
    private static final String LOCK = "lock";

    /// The folders that this process has locked: locks of files exclude processes, not threads.
    private static final Set<Path> LOCKED = ConcurrentHashMap.newKeySet();

    /// The right to write to a folder, which one writer of a host has at a time.
    static final class Hold implements AutoCloseable {
        private final Path folder;
        private final FileChannel channel;

        private Hold(Path folder, FileChannel channel) {
            this.folder = folder;
            this.channel = channel;
        }

        @Override
        public void close() throws IOException {
            try {
                channel.close();
            } finally {
                LOCKED.remove(folder);
            }
        }
    }

    /// A file of packed weights.
    ///
    /// @param shard empty if the file is not one of this version of Lockstep
    /// @param kernels the key of the instruction set, or the reason why the file is not used
    public record Held(
            Path file, long bytes, Instant lastUsed, Optional<PackedShard> shard, String kernels) {}

    /// Returns the files, the least recently used first; none if there is no folder.
    public List<Held> list() throws IOException {
        var held = new ArrayList<Held>();
        for (Path file : matching(SUFFIX)) {
            try {
                held.add(held(file));
            } catch (NoSuchFileException _) {
                // Deleted meanwhile.
            }
        }
        held.sort(Comparator.comparing(Held::lastUsed));
        return held;
    }

    private static Held held(Path file) throws NoSuchFileException {
        long bytes = 0;
        Instant lastUsed = Instant.EPOCH;
        try {
            bytes = Files.size(file);
            lastUsed = Files.getLastModifiedTime(file).toInstant();
            PackedLabel label = PackedFile.label(file);
            return new Held(
                    file, bytes, lastUsed, Optional.of(label.shard()), label.layout().kernels());
        } catch (NoSuchFileException deleted) {
            throw deleted;
        } catch (PackedFileException unusable) {
            return new Held(file, bytes, lastUsed, Optional.empty(), unusable.reason());
        } catch (IOException _) {
            return new Held(file, bytes, lastUsed, Optional.empty(), UNREADABLE);
        }
    }

    /// Deletes a file; processes that use it keep it.
    public void delete(Held held) throws IOException {
        Files.deleteIfExists(held.file());
    }

    /// Makes the folder, which nobody else reads.
    void prepare() throws IOException {
        Files.createDirectories(
                path,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    /// Waits until nobody else writes to the folder; empty if the memory to be written is closed.
    Optional<Hold> hold(PackedMemory memory) throws IOException {
        do {
            Optional<Hold> held = tryHold();
            if (held.isPresent()) {
                return held;
            }
        } while (!memory.awaitClosed(LOCK_RETRY));
        return Optional.empty();
    }

    /// Returns the right to write to the folder, unless another writer has it.
    Optional<Hold> tryHold() throws IOException {
        Path folder = path.toRealPath();
        if (!LOCKED.add(folder)) {
            return Optional.empty();
        }
        Optional<Hold> hold = Optional.empty();
        try {
            hold = lock(folder);
        } finally {
            if (hold.isEmpty()) {
                LOCKED.remove(folder);
            }
        }
        return hold;
    }

    private static Optional<Hold> lock(Path folder) throws IOException {
        FileChannel channel =
                FileChannel.open(
                        folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        @Nullable FileLock lock = null;
        try {
            lock = channel.tryLock();
        } finally {
            if (lock == null) {
                channel.close();
            }
        }
        return lock == null ? Optional.empty() : Optional.of(new Hold(folder, channel));
    }

    /// Deletes what writers that were killed left, unless somebody writes now.
    public void sweep() throws IOException {
        if (!matching(UNFINISHED).isEmpty()) {
            try (@Nullable Hold hold = tryHold().orElse(null)) {
                if (hold != null) {
                    deleteUnfinished();
                }
            }
        }
    }

    /// Deletes what writers that were killed left. Only whoever holds the folder calls it: there is
    /// no other writer.
    void deleteUnfinished() throws IOException {
        matching(UNFINISHED).forEach(PackedFolder::deleted);
    }

    /// Deletes a file if it can be deleted; returns whether it is gone.
    private static boolean deleted(Path file) {
        try {
            Files.deleteIfExists(file);
            return true;
        } catch (IOException _) {
            return false;
        }
    }

    /// Notes that a file is used now, if it can be noted.
    static void use(Path file) {
        try {
            Files.setLastModifiedTime(file, FileTime.from(Instant.now()));
        } catch (IOException _) {
            // A folder that cannot be written: nothing in it is deleted for something else either.
        }
    }

    /// Makes room for a file: packed weights take at most half of what they and the free space of
    /// the file system make together. What was not used for a day is deleted for it: first what was
    /// packed from another copy of the same model, then the least recently used.
    ///
    /// @throws IOException with the numbers if there is too little
    void makeRoom(PackedLabel label, long bytes) throws IOException {
        makeRoom(label, bytes, Files.getFileStore(path).getUsableSpace());
    }

    void makeRoom(PackedLabel label, long bytes, long free) throws IOException {
        Path file = path.resolve(label.fileName());
        List<Held> all = list();
        long room = (all.stream().mapToLong(Held::bytes).sum() + free) / 2;
        List<Held> others =
                all.stream()
                        .filter(each -> !each.file().equals(file))
                        .sorted(Comparator.comparing(each -> !isOtherCopy(each, label.shard())))
                        .toList();
        long held = others.stream().mapToLong(Held::bytes).sum();
        Instant unused = Instant.now().minus(IN_USE);
        for (Held other : others) {
            if (held + bytes > room && other.lastUsed().isBefore(unused) && deleted(other.file())) {
                held -= other.bytes();
            }
        }
        if (held + bytes > room) {
            throw new IOException(
                    "%,d MiB are needed beside %,d MiB of other packed weights, all of them may take %,d MiB, half of the free space"
                            .formatted(bytes >> 20, held >> 20, room >> 20));
        }
    }

    private static boolean isOtherCopy(Held held, PackedShard shard) {
        return held.shard()
                .filter(each -> each.content().equals(shard.content()))
                .filter(each -> !each.stamp().equals(shard.stamp()))
                .isPresent();
    }

    private List<Path> matching(String suffix) throws IOException {
        if (!Files.isDirectory(path)) {
            return List.of();
        }
        var files = new ArrayList<Path>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(path, "*" + suffix)) {
            stream.forEach(files::add);
        }
        files.sort(null);
        return files;
    }
}
