// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JoinReplyTest {
    @TempDir Path folder;

    @Test
    void aWindowIsASeparateKvGroupThatSharesThePoolOfEqualBlocks() throws IOException {
        Joined joined =
                joined(
                        "MistralForCausalLM",
                        "\"sliding_window\": 24, \"layer_types\": [\"sliding_attention\", \"full_attention\"],");
        assertEquals(2, joined.getKvGroupsCount());
        KvGroupInfo window = joined.getKvGroups(0);
        KvGroupInfo full = joined.getKvGroups(1);
        assertEquals("window", window.getKind());
        assertEquals(24, window.getWindow());
        assertEquals(1, window.getLayers());
        assertEquals("full", full.getKind());
        assertEquals(0, full.getWindow());
        assertEquals(window.getBytesPerBlock(), full.getBytesPerBlock());
        assertEquals(2 * TestWorker.BLOCKS, joined.getKvBlocks());
        assertEquals(joined.getKvBlocks() * full.getBytesPerBlock(), joined.getInfo().getKvBytes());
    }

    @Test
    void aShardOnTheGenericDecoderNamesIt() throws IOException {
        String shard = joined("NobodyForCausalLM", "").getInfo().getShard();
        assertTrue(shard.startsWith("NobodyForCausalLM as a generic decoder, heads"), shard);
        assertTrue(joined("LlamaForCausalLM", "").getInfo().getShard().startsWith("heads"));
    }

    @Test
    void aCpuNeedsOneHostAndIsNobodysAlone() throws IOException {
        Joined joined = joined("LlamaForCausalLM", "");
        assertTrue(joined.getNeedsOneHost());
        assertEquals("", joined.getDeviceId());
        assertEquals(Map.of(), joined.getVersionsMap());
        assertTrue(joined.getCollectiveId().isEmpty());
    }

    @Test
    void whatTheConnectorNeedsIsReported() throws IOException {
        var connector = new CountedMeetings();
        try (TestWorker worker = onTinyModel(connector, "--tensor-parallel=2", "--rank=0")) {
            Joined joined = worker.joinReply.joined(1, new HeldBlocks(List.of()));
            assertFalse(joined.getNeedsOneHost());
            assertEquals(Map.of("NCCL", "2.27.3"), joined.getVersionsMap());
        }
    }

    @Test
    void rankZeroOfSeveralBringsANewIdForEachEpoch() throws IOException {
        var connector = new CountedMeetings();
        try (TestWorker worker = onTinyModel(connector, "--tensor-parallel=2", "--rank=0")) {
            assertEquals(List.of(1, 2), collectiveIds(worker));
        }
        try (TestWorker worker = onTinyModel(connector, "--tensor-parallel=2", "--rank=1")) {
            assertEquals(List.of(), collectiveIds(worker));
        }
        try (TestWorker worker = onTinyModel(connector)) {
            assertEquals(List.of(), collectiveIds(worker));
        }
        assertEquals(2, connector.meetings, "an id that nobody uses is not created");
    }

    @Test
    void theIdOfTheFormationReachesTheConnector() {
        Form form =
                Form.newBuilder().setCollectiveId(ByteString.copyFrom(new byte[] {7, 8})).build();
        assertArrayEquals(new byte[] {7, 8}, StepMessages.formation(form).collectiveId());
    }

    /// Returns the one byte of each id that two replies bring.
    private static List<Integer> collectiveIds(TestWorker worker) {
        List<Integer> ids = new ArrayList<>();
        for (int epoch = 1; epoch <= 2; epoch++) {
            ByteString id =
                    worker.joinReply.joined(epoch, new HeldBlocks(List.of())).getCollectiveId();
            for (byte value : id) {
                ids.add((int) value);
            }
        }
        return ids;
    }

    private TestWorker onTinyModel(Connector connector, String... settings) throws IOException {
        TinyCheckpoint.write(folder, 7);
        return TestWorker.onModel(folder, 64, _ -> connector, List.of(settings));
    }

    /// Numbers the ids it creates; no rank meets another.
    private static final class CountedMeetings implements Connector {
        private int meetings;

        @Override
        public boolean needsOneHost() {
            return false;
        }

        @Override
        public Map<String, String> versions() {
            return Map.of("NCCL", "2.27.3");
        }

        @Override
        public byte[] newCollectiveId() {
            return new byte[] {(byte) ++meetings};
        }

        @Override
        public Communicator connect(
                StepRunner.Formation formation, long bytes, Supplier<String> abortReason) {
            throw new IllegalStateException("no rank meets another");
        }
    }

    /// Returns the reply of a worker whose tiny model has the name of another architecture.
    private Joined joined(String architecture, String keys) throws IOException {
        TinyCheckpoint.write(folder, 7);
        Path config = folder.resolve("config.json");
        Files.writeString(
                config,
                Files.readString(config)
                        .replace("LlamaForCausalLM", architecture)
                        .replaceFirst("\\{", "{ " + keys));
        try (TestWorker worker = TestWorker.onModel(folder, 64)) {
            return worker.joinReply.joined(1, new HeldBlocks(List.of()));
        }
    }
}
