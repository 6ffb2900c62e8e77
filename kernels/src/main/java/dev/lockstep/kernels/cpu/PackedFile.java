// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;

/// A file of packed weights, open for reading: a preamble of 4 KiB, segments at multiples of 4 KiB,
/// an index. Integers are little-endian.
///
/// | preamble at | |
/// |---|---|
/// | 0 | `lockpack`, 8 bytes |
/// | 8 | version of this form |
/// | 12 | CRC-32C of the preamble from 16 on |
/// | 16, 24 | bytes of the file, offset of the index |
/// | 32, 36 | segments of the index, CRC-32C of the index |
/// | 40 | length of the label, then the label in UTF-8 |
///
/// The index has for each segment a key of 32 bytes, offset, length, and the CRC-32C of each piece
/// of 256 KiB. Opening checks everything but the segments. Their pieces are checked when they come
/// to memory, where the threads read them anyway: all of them before the first step.
final class PackedFile implements AutoCloseable {
    static final int PREAMBLE_BYTES = 4096;
    static final int ALIGNMENT = 4096;
    static final int PIECE_BYTES = 256 << 10;
    static final int KEY_BYTES = 32;
    static final int FORM = 1;
    static final byte[] MAGIC = "lockpack".getBytes(UTF_8);

    private static final int LABEL_AT = 44;

    private final Path path;
    private final FileChannel channel;
    private final PackedLabel label;
    private final Map<String, Segment> segments;

    /// A segment's place in the file.
    ///
    /// @param sums the CRC-32C of each piece; nobody writes to it
    record Segment(long offset, long bytes, int[] sums) {
        static int pieces(long bytes) {
            return (int) Math.ceilDiv(bytes, PIECE_BYTES);
        }

        long pieceBytes(int piece) {
            return Math.min(PIECE_BYTES, bytes - (long) piece * PIECE_BYTES);
        }
    }

    private record Preamble(
            long fileBytes, long indexAt, int indexSegments, int indexSum, PackedLabel label) {}

    private PackedFile(
            Path path, FileChannel channel, PackedLabel label, Map<String, Segment> segments) {
        this.path = path;
        this.channel = channel;
        this.label = label;
        this.segments = segments;
    }

    /// Opens a file.
    ///
    /// @throws PackedFileException if it is truncated, damaged, or no file of packed weights
    static PackedFile open(Path path) throws IOException {
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        try {
            Preamble preamble = preamble(channel);
            return new PackedFile(path, channel, preamble.label(), index(channel, preamble));
        } catch (IOException | RuntimeException failure) {
            channel.close();
            throw failure;
        }
    }

    /// Returns the label of a file, of which it reads only the preamble.
    static PackedLabel label(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return preamble(channel).label();
        }
    }

    /// Returns the preamble of a file with this index.
    static ByteBuffer preamble(PackedLabel label, long indexAt, int segments, ByteBuffer index) {
        ByteBuffer bytes = ByteBuffer.allocate(PREAMBLE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        byte[] text = label.text().getBytes(UTF_8);
        bytes.put(MAGIC).putInt(FORM).putInt(0);
        bytes.putLong(indexAt + index.remaining()).putLong(indexAt);
        bytes.putInt(segments).putInt(sum(index)).putInt(text.length).put(text);
        bytes.rewind();
        return bytes.putInt(12, sum(bytes.slice(16, PREAMBLE_BYTES - 16)));
    }

    /// Returns the CRC-32C of what remains of a buffer, which stays as it is.
    static int sum(ByteBuffer bytes) {
        var crc = new CRC32C();
        crc.update(bytes.duplicate());
        return (int) crc.getValue();
    }

    Path path() {
        return path;
    }

    PackedLabel label() {
        return label;
    }

    FileChannel channel() {
        return channel;
    }

    /// Returns the segment with this key, of 64 hexadecimal digits, if it has this length.
    Optional<Segment> find(String key, long bytes) {
        return Optional.ofNullable(segments.get(key)).filter(each -> each.bytes() == bytes);
    }

    /// Returns the segments behind this one, in their order in the file.
    List<Segment> after(Segment segment) {
        return segments.values().stream()
                .filter(each -> each.offset() > segment.offset())
                .sorted(Comparator.comparingLong(Segment::offset))
                .toList();
    }

    boolean has(String key) {
        return segments.containsKey(key);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static Preamble preamble(FileChannel channel) throws IOException {
        ByteBuffer bytes = read(channel, 0, PREAMBLE_BYTES);
        if (!bytes.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
            throw new PackedFileException("it is no file of packed weights");
        }
        if (bytes.getInt(8) != FORM) {
            throw new PackedFileException(
                    "its form has version %d, must be %d".formatted(bytes.getInt(8), FORM));
        }
        if (bytes.getInt(12) != sum(bytes.slice(16, PREAMBLE_BYTES - 16))) {
            throw new PackedFileException("its preamble is damaged");
        }
        int length = bytes.getInt(40);
        if (length < 0 || length > PREAMBLE_BYTES - LABEL_AT) {
            throw new PackedFileException("its label has %d bytes".formatted(length));
        }
        byte[] text = new byte[length];
        bytes.get(LABEL_AT, text);
        var preamble =
                new Preamble(
                        bytes.getLong(16),
                        bytes.getLong(24),
                        bytes.getInt(32),
                        bytes.getInt(36),
                        PackedLabel.parse(new String(text, UTF_8)));
        if (channel.size() != preamble.fileBytes()) {
            throw new PackedFileException(
                    "it has %,d bytes, must have %,d"
                            .formatted(channel.size(), preamble.fileBytes()));
        }
        return preamble;
    }

    private static Map<String, Segment> index(FileChannel channel, Preamble preamble)
            throws IOException {
        long length = preamble.fileBytes() - preamble.indexAt();
        if (preamble.indexAt() < PREAMBLE_BYTES || length < 0 || length > Integer.MAX_VALUE - 8) {
            throw new PackedFileException(
                    "its index lies at %,d of %,d bytes"
                            .formatted(preamble.indexAt(), preamble.fileBytes()));
        }
        ByteBuffer bytes = read(channel, preamble.indexAt(), (int) length);
        if (sum(bytes) != preamble.indexSum()) {
            throw new PackedFileException("its index is damaged");
        }
        Map<String, Segment> segments = new HashMap<>();
        byte[] key = new byte[KEY_BYTES];
        try {
            for (int i = 0; i < preamble.indexSegments(); i++) {
                bytes.get(key);
                Segment segment = segment(bytes, preamble.indexAt());
                segments.put(HexFormat.of().formatHex(key), segment);
            }
        } catch (BufferUnderflowException tooShort) {
            throw new PackedFileException("its index ends early");
        }
        return segments;
    }

    private static Segment segment(ByteBuffer index, long end) throws PackedFileException {
        long offset = index.getLong();
        long size = index.getLong();
        if (offset < PREAMBLE_BYTES || offset % ALIGNMENT != 0 || size < 1 || size > end - offset) {
            throw new PackedFileException(
                    "its index has a segment of %,d bytes at %,d".formatted(size, offset));
        }
        int[] sums = new int[Segment.pieces(size)];
        for (int piece = 0; piece < sums.length; piece++) {
            sums[piece] = index.getInt();
        }
        return new Segment(offset, size, sums);
    }

    private static ByteBuffer read(FileChannel channel, long at, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        readFully(channel, bytes, at);
        return bytes.flip();
    }

    /// Fills a buffer from a place in a file.
    static void readFully(FileChannel channel, ByteBuffer into, long at) throws IOException {
        while (into.hasRemaining()) {
            int count = channel.read(into, at);
            if (count < 0) {
                throw new PackedFileException("it is truncated");
            }
            at += count;
        }
    }
}
