// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.JournalAccepted;
import dev.lockstep.proto.v1.JournalRecord;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

final class JournalFramesTest {
    private static final int RECORDS = 4;

    private final JournalFrames frames = new JournalFrames(7);
    private final List<JournalRecord> records = new ArrayList<>();
    private final List<JournalRecord> read = new ArrayList<>();

    JournalFramesTest() {
        for (int i = 0; i < RECORDS; i++) {
            records.add(record("text " + i));
        }
    }

    private static JournalRecord record(String text) {
        return record(ByteString.copyFromUtf8(text));
    }

    private static JournalRecord record(ByteString body) {
        return JournalRecord.newBuilder()
                .setAccepted(
                        JournalAccepted.newBuilder()
                                .setClient(ClientRecord.newBuilder().setRecord(body)))
                .build();
    }

    private byte[] file(List<JournalRecord> some) {
        ByteBuffer header = frames.header();
        ByteBuffer rest = frames.frames(some);
        return ByteBuffer.allocate(header.remaining() + rest.remaining())
                .put(header)
                .put(rest)
                .array();
    }

    private JournalFrames.Damage read(byte[] file) throws IOException {
        read.clear();
        return JournalFrames.read(ByteBuffer.wrap(file), read::add);
    }

    @Test
    void recordsAreReadAsTheyWereWritten() throws Exception {
        assertEquals(new JournalFrames.Damage(0, 0), read(file(records)));
        assertEquals(records, read);
    }

    @Test
    void aTailThatIsTornAtAnyByteIsCut() throws Exception {
        byte[] whole = file(records);
        int size = JournalFrames.size(records.getFirst());
        for (int length = JournalFrames.HEADER_BYTES; length < whole.length; length++) {
            JournalFrames.Damage damage = read(Arrays.copyOf(whole, length));
            int complete = (length - JournalFrames.HEADER_BYTES) / size;
            assertEquals(records.subList(0, complete), read);
            int tail = (length - JournalFrames.HEADER_BYTES) % size;
            assertEquals(new JournalFrames.Damage(0, tail), damage);
        }
    }

    @Test
    void aTailOfZerosIsCut() throws Exception {
        byte[] whole = file(records);
        byte[] longer = Arrays.copyOf(whole, whole.length + 100);
        assertEquals(new JournalFrames.Damage(0, 100), read(longer));
        assertEquals(records, read);
    }

    @Test
    void aRecordWithAnyWrongByteIsSkipped() throws Exception {
        int size = JournalFrames.size(records.getFirst());
        List<JournalRecord> others = new ArrayList<>(records);
        others.remove(1);
        for (int at = 0; at < size; at++) {
            byte[] damaged = file(records);
            damaged[JournalFrames.HEADER_BYTES + size + at] ^= 0x10;
            assertEquals(new JournalFrames.Damage(size, 0), read(damaged));
            assertEquals(others, read);
        }
    }

    /// What a client sends cannot be a record, because nobody knows the number in the header.
    @Test
    void aRecordInsideOfADamagedOneIsNotRead() throws Exception {
        ByteBuffer forged = new JournalFrames(8).frames(List.of(record("forged")));
        byte[] damaged = file(List.of(record(ByteString.copyFrom(forged)), record("next")));
        damaged[JournalFrames.HEADER_BYTES + JournalFrames.FRAME_BYTES + 1] ^= 1;
        JournalFrames.Damage damage = read(damaged);
        assertTrue(damage.middle() > 0);
        assertEquals(List.of(record("next")), read);
    }

    @Test
    void whatIsNoJournalIsRefused() {
        byte[] other = file(records);
        other[0]++;
        assertThrows(IOException.class, () -> read(other));
        assertThrows(IOException.class, () -> read(Arrays.copyOf(file(records), 15)));
    }
}
