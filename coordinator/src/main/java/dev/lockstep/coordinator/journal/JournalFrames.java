// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.proto.v1.JournalRecord;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/// The format of a journal's file: a header, then records, each behind a mark, its length and a
/// CRC-32C.
///
/// The header has a random number that the checksums depend on, so that no text of a client can
/// pass for a record where the file is damaged.
final class JournalFrames {
    static final int HEADER_BYTES = 16;
    static final int FRAME_BYTES = 12;

    /// The limit of a record. A body that is kept has at most 1 MiB, and tokens are written in
    /// parts.
    static final int MAX_RECORD_BYTES = 16 << 20;

    private static final long FORMAT = 0x4c534a524e4c0001L;
    private static final int MARK = 0xf1a7c0de;

    private final long salt;

    /// What could not be read.
    ///
    /// @param middle bytes that records follow
    /// @param tail bytes at the end
    record Damage(long middle, long tail) {
        boolean any() {
            return middle > 0 || tail > 0;
        }
    }

    /// @param salt of a new file
    JournalFrames(long salt) {
        this.salt = salt;
    }

    ByteBuffer header() {
        return ByteBuffer.allocate(HEADER_BYTES).putLong(FORMAT).putLong(salt).flip();
    }

    static int size(JournalRecord record) {
        return FRAME_BYTES + record.getSerializedSize();
    }

    /// Returns records as they are written.
    ByteBuffer frames(Iterable<JournalRecord> records) {
        int size = 0;
        for (JournalRecord record : records) {
            size = Math.addExact(size, size(record));
        }
        ByteBuffer frames = ByteBuffer.allocate(size);
        for (JournalRecord record : records) {
            byte[] bytes = record.toByteArray();
            if (bytes.length > MAX_RECORD_BYTES) {
                throw new IllegalArgumentException(
                        "a record of %d bytes, at most %d are possible"
                                .formatted(bytes.length, MAX_RECORD_BYTES));
            }
            frames.putInt(MARK).putInt(bytes.length);
            frames.putInt(checksum(bytes.length, ByteBuffer.wrap(bytes))).put(bytes);
        }
        return frames.flip();
    }

    private int checksum(int length, ByteBuffer bytes) {
        var sum = new CRC32C();
        sum.update(
                ByteBuffer.allocate(Long.BYTES + Integer.BYTES)
                        .putLong(salt)
                        .putInt(length)
                        .flip());
        sum.update(bytes);
        return (int) sum.getValue();
    }

    /// Reads a file, and skips what is damaged.
    ///
    /// @throws IOException if it is no journal that this version reads
    static Damage read(ByteBuffer file, Consumer<JournalRecord> to) throws IOException {
        if (file.remaining() < HEADER_BYTES || file.getLong() != FORMAT) {
            throw new IOException("it is no journal of this version");
        }
        var frames = new JournalFrames(file.getLong());
        long middle = 0;
        int good = file.position();
        for (int at = good; at < file.limit(); ) {
            Optional<JournalRecord> record = frames.at(file, at);
            if (record.isEmpty()) {
                at++;
                continue;
            }
            middle += at - good;
            to.accept(record.get());
            at += size(record.get());
            good = at;
        }
        return new Damage(middle, file.limit() - good);
    }

    /// Returns the record that begins at a place, if one does.
    private Optional<JournalRecord> at(ByteBuffer file, int place) {
        if (file.limit() - place < FRAME_BYTES || file.getInt(place) != MARK) {
            return Optional.empty();
        }
        int length = file.getInt(place + Integer.BYTES);
        int begin = place + FRAME_BYTES;
        if (length < 0 || length > Math.min(MAX_RECORD_BYTES, file.limit() - begin)) {
            return Optional.empty();
        }
        ByteBuffer bytes = file.slice(begin, length);
        if (checksum(length, bytes.duplicate()) != file.getInt(begin - Integer.BYTES)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JournalRecord.parseFrom(bytes));
        } catch (InvalidProtocolBufferException e) {
            return Optional.empty();
        }
    }
}
