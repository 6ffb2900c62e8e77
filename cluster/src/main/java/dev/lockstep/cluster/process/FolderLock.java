// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/// A lock on a folder that one process may use at a time. The kernel releases it when the process
/// ends, however it ends; the file stays.
public final class FolderLock implements AutoCloseable {
    public static final String SUFFIX = ".lock";

    /// An earlier process may be about to end.
    private static final Duration PATIENCE = Duration.ofSeconds(3);

    private static final int POLL_MILLIS = 50;
    private static final int MAX_PID_LENGTH = 20;

    /// The locks of this process. It keeps them alive: a channel that nothing refers to is closed.
    /// And it keeps their files from being opened twice: the kernel drops a lock of a process that
    /// closes any of its channels of the file.
    private static final Map<Path, FolderLock> HELD = new ConcurrentHashMap<>();

    private final Path path;
    private final FileChannel file;

    private FolderLock(Path path, FileChannel file) {
        this.path = path;
        this.file = file;
    }

    /// Takes the lock for a purpose, or waits a moment for the process that has it.
    ///
    /// @param key the setting that names the folder
    /// @param use what the folder is used for, such as `serve`
    /// @throws SettingsException naming that process
    public static FolderLock require(String key, Path folder, String use) {
        return require(key, folder, use, PATIENCE);
    }

    static FolderLock require(String key, Path folder, String use, Duration patience) {
        Path path = folder.resolve(use + SUFFIX);
        long end = System.nanoTime() + patience.toNanos();
        try {
            while (true) {
                Optional<FolderLock> lock = tryTake(path);
                if (lock.isPresent()) {
                    return lock.get();
                }
                if (System.nanoTime() - end > 0) {
                    throw new SettingsException(
                            "--%s: %s is used by another %s (process %s): name another folder"
                                    .formatted(key, folder, use, holder(path)));
                }
                TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("--%s: cannot lock %s".formatted(key, path), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for " + path, e);
        }
    }

    /// Takes the lock of a file until it is closed; empty while it is taken.
    public static Optional<FolderLock> tryTake(Path path) throws IOException {
        return tryTake(path, Set.of(StandardOpenOption.CREATE));
    }

    /// @param more options of opening, beside those of every lock
    private static synchronized Optional<FolderLock> tryTake(Path path, Set<OpenOption> more)
            throws IOException {
        Path real = real(path);
        if (HELD.containsKey(real)) {
            return Optional.empty();
        }
        Set<OpenOption> options = new HashSet<>(more);
        options.add(StandardOpenOption.WRITE);
        // A link may lead to a file that would be overwritten.
        options.add(LinkOption.NOFOLLOW_LINKS);
        FileChannel file = FileChannel.open(path, options, OwnerOnly.FILE);
        try {
            FileLock lock = file.tryLock();
            if (lock != null) {
                file.truncate(0);
                String pid = ProcessHandle.current().pid() + "\n";
                var _ = file.write(ByteBuffer.wrap(pid.getBytes(StandardCharsets.UTF_8)));
                var taken = new FolderLock(real, file);
                HELD.put(real, taken);
                return Optional.of(taken);
            }
        } catch (IOException e) {
            file.close();
            throw e;
        }
        file.close();
        return Optional.empty();
    }

    /// Whether the process that had this lock has ended without closing it.
    public static boolean isAbandoned(Path path) throws IOException {
        BasicFileAttributes found =
                Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        // It is written once the lock is taken.
        if (!found.isRegularFile() || found.size() == 0) {
            return false;
        }
        // Its folder may be about to be deleted: no file is created in it.
        Optional<FolderLock> lock = tryTake(path, Set.of());
        lock.ifPresent(FolderLock::close);
        return lock.isPresent();
    }

    private static Path real(Path path) throws IOException {
        Path folder = Objects.requireNonNull(path.toAbsolutePath().getParent());
        return folder.toRealPath().resolve(path.getFileName());
    }

    private static String holder(Path path) throws IOException {
        if (HELD.containsKey(real(path))) {
            return Long.toString(ProcessHandle.current().pid());
        }
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            ByteBuffer text = ByteBuffer.allocate(MAX_PID_LENGTH);
            var _ = file.read(text);
            return StandardCharsets.UTF_8.decode(text.flip()).toString().strip();
        }
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot release the lock " + path, e);
        } finally {
            HELD.remove(path, this);
        }
    }
}
