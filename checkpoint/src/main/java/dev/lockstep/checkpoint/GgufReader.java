// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// A position in the header of a GGUF file that moves forward as values are read.
///
/// Every read is checked against the end of the file first, so that no count or length in a damaged
/// file can make it allocate or loop beyond the file's own size.
final class GgufReader {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final MemorySegment bytes;
    private long position;

    GgufReader(Path path, MemorySegment bytes, long position) {
        this.path = path;
        this.bytes = bytes;
        this.position = position;
    }

    Path path() {
        return path;
    }

    long position() {
        return position;
    }

    byte readByte(String what) {
        return bytes.get(ValueLayout.JAVA_BYTE, advance(1, what));
    }

    short readShort(String what) {
        return bytes.get(SHORT, advance(2, what));
    }

    int readInt(String what) {
        return bytes.get(INT, advance(4, what));
    }

    long readLong(String what) {
        return bytes.get(LONG, advance(8, what));
    }

    String readText(String what) {
        long length = readLong("the length of " + what);
        require(length, 1, what);
        byte[] text = bytes.asSlice(position, length).toArray(ValueLayout.JAVA_BYTE);
        position += length;
        return new String(text, StandardCharsets.UTF_8);
    }

    void skipText(String what) {
        skip(readLong(what), 1, what);
    }

    /// Skips `count` values of `size` bytes.
    void skip(long count, long size, String what) {
        require(count, size, what);
        position += count * size;
    }

    /// Checks that `count` values of at least `minSize` bytes each can follow.
    void require(long count, long minSize, String what) {
        long remaining = bytes.byteSize() - position;
        if (count < 0 || count > remaining / minSize) {
            throw new CheckpointException(
                    "%s: the file ends at byte %d inside %s, which begins at byte %d and needs %s x %d bytes: truncated or damaged, download it again"
                            .formatted(
                                    path,
                                    bytes.byteSize(),
                                    what,
                                    position,
                                    Long.toUnsignedString(count),
                                    minSize));
        }
    }

    private long advance(int size, String what) {
        require(1, size, what);
        long at = position;
        position += size;
        return at;
    }
}
