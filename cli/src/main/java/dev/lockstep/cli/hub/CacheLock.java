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

/// Keeps other processes, and other threads of this one, from downloading the same thing. The
/// kernel lets go of it when its holder dies. Closed by whoever took it.
record CacheLock(FileChannel channel, FileLock lock) implements AutoCloseable {
    private static final Duration POLL = Duration.ofMillis(100);

    /// Waits for as long as somebody else downloads.
    ///
    /// @param waiting run once when it must wait
    static CacheLock take(Path file, Runnable waiting) throws IOException, InterruptedException {
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
