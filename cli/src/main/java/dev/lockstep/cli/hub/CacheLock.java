// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;

/// A lock against other processes, and other threads of this process, that download the same model.
/// The kernel releases it when the process of its holder ends. The holder closes it.
record CacheLock(FileChannel channel, FileLock lock) implements AutoCloseable {
    private static final Duration POLL = Duration.ofMillis(100);

    /// Acquires the lock; waits while another thread or process holds it.
    ///
    /// @param waiting called once if it must wait
    static CacheLock acquire(Path file, Runnable waiting) throws IOException, InterruptedException {
        Files.createDirectories(file.getParent());
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            Optional<FileLock> lock = tryLock(channel);
            if (lock.isEmpty()) {
                waiting.run();
            }
            while (lock.isEmpty()) {
                Thread.sleep(POLL);
                lock = tryLock(channel);
            }
            return new CacheLock(channel, lock.get());
        } catch (IOException | InterruptedException e) {
            channel.close();
            throw e;
        }
    }

    private static Optional<FileLock> tryLock(FileChannel channel) throws IOException {
        try {
            return Optional.ofNullable(channel.tryLock());
        } catch (OverlappingFileLockException e) {
            // Held by another thread of this process.
            return Optional.empty();
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
