// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.stream.LongStream;

/// A file of a header and pieces of known sizes that gets its name when it is complete. Until then
/// it is `NAME.partial`, and whoever opens one with an equal header goes on after its last whole
/// piece.
final class PartialFile implements AutoCloseable {
    private static final int AT_ONCE = 1 << 24;

    private final Path target;
    private final Path partial;
    private final FileChannel channel;
    private final long[] starts;
    private final long[] bytes;
    private final int done;

    /// @param starts of the pieces in the file, ascending; between two pieces are zeros
    private PartialFile(
            Path target, Path partial, FileChannel channel, long[] starts, long[] bytes, int done) {
        this.target = target;
        this.partial = partial;
        this.channel = channel;
        this.starts = starts;
        this.bytes = bytes;
        this.done = done;
    }

    /// Opens the file and writes its header, unless it is there.
    ///
    /// @param alignment of the pieces
    static PartialFile open(Path target, byte[] header, long[] bytes, int alignment) {
        Path partial = target.resolveSibling(target.getFileName() + ".partial");
        long[] starts = new long[bytes.length];
        long next = header.length;
        for (int i = 0; i < bytes.length; i++) {
            starts[i] = Math.ceilDiv(next, alignment) * alignment;
            next = starts[i] + bytes[i];
        }
        try {
            FileChannel channel =
                    FileChannel.open(
                            partial,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            try {
                if (!lock(channel)) {
                    throw new CheckpointException(
                            "%s is written by another process".formatted(partial));
                }
                int done = 0;
                if (hasHeader(channel, header)) {
                    while (done < bytes.length && starts[done] + bytes[done] <= channel.size()) {
                        done++;
                    }
                } else {
                    channel.truncate(0);
                    writeFully(channel, ByteBuffer.wrap(header), 0);
                }
                channel.truncate(done == 0 ? header.length : starts[done - 1] + bytes[done - 1]);
                return new PartialFile(target, partial, channel, starts, bytes, done);
            } catch (IOException | RuntimeException failure) {
                channel.close();
                throw failure;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Returns whether a complete file has this header and pieces of these sizes.
    static boolean isComplete(Path target, byte[] header, long[] bytes) {
        long end = header.length + LongStream.of(bytes).sum();
        if (!Files.exists(target)) {
            return false;
        }
        try (FileChannel channel = FileChannel.open(target, StandardOpenOption.READ)) {
            return channel.size() == end && hasHeader(channel, header);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException _) {
            return false;
        }
    }

    private static boolean hasHeader(FileChannel channel, byte[] header) throws IOException {
        if (channel.size() < header.length) {
            return false;
        }
        ByteBuffer found = ByteBuffer.allocate(header.length);
        int read = 0;
        while (found.hasRemaining() && read >= 0) {
            read = channel.read(found, found.position());
        }
        return Arrays.equals(header, found.array());
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes, long at)
            throws IOException {
        long next = at;
        while (bytes.hasRemaining()) {
            next += channel.write(bytes, next);
        }
    }

    /// Returns the number of pieces that were written before.
    int done() {
        return done;
    }

    /// Returns where a piece begins in the file.
    long start(int piece) {
        return starts[piece];
    }

    /// Writes the next part of the next piece.
    ///
    /// @param offset of the part in the piece
    void write(int piece, long offset, MemorySegment data) {
        if (offset < 0 || data.byteSize() > bytes[piece] - offset) {
            throw new IllegalArgumentException(
                    "bytes [%d, %d) of piece %d, which has %d"
                            .formatted(offset, offset + data.byteSize(), piece, bytes[piece]));
        }
        try {
            for (long written = 0; written < data.byteSize(); written += AT_ONCE) {
                long count = Math.min(AT_ONCE, data.byteSize() - written);
                writeFully(
                        channel,
                        data.asSlice(written, count).asByteBuffer(),
                        starts[piece] + offset + written);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Gives the complete file its name.
    void finish() {
        try {
            channel.force(true);
            channel.close();
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
