// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
