// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.GroupStatus;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// In a model with states, hits of the prefix cache, preemptions and other requests change no bit
/// of the output.
@ExtendWith(LogsOnFailure.class)
final class StateCacheIT {
    private static final int REQUESTS = 24;

    /// One layer of attention has 2 KV heads of 32 values, keys and values, four bytes each.
    private static final int BLOCK_BYTES = 2 * 32 * 2 * 4 * 16;

    /// Enough for three of the longest sequences, plus the null block.
    private static final String LITTLE_MEMORY = "--kv-memory=" + (3 * 256 / 16 + 1) * BLOCK_BYTES;

    @Test
    void sharedPrefixesInLittleMemoryGiveTheSameBitsAsAloneWithoutACache() throws Exception {
        List<Generated> expected = new ArrayList<>();
        try (ServedCluster cluster = serve("--prefix-cache=off")) {
            for (int request = 0; request < REQUESTS; request++) {
                expected.add(complete(cluster, request));
            }
            assertEquals(0, cluster.group().getCachedTokens());
        }
        try (ServedCluster cluster = serve(LITTLE_MEMORY, "--max-num-batched-tokens=40")) {
            for (int round = 0; round < 2; round++) {
                List<Generated> together =
                        Together.map(
                                IntStream.range(0, REQUESTS).boxed().toList(),
                                request -> complete(cluster, request));
                for (int request = 0; request < REQUESTS; request++) {
                    assertEquals(
                            expected.get(request), together.get(request), "request " + request);
                }
            }
            GroupStatus group = cluster.group();
            System.out.println(
                    "%d of %d prompt tokens cached, %d preemptions"
                            .formatted(
                                    group.getCachedTokens(),
                                    group.getPromptTokens(),
                                    group.getPreemptions()));
            assertTrue(group.getPreemptions() > 0, "no sequence was preempted");
            assertTrue(
                    group.getCachedTokens() > group.getPromptTokens() / 8,
                    () -> group.getCachedTokens() + " of " + group.getPromptTokens() + " cached");
        }
    }

    private static ServedCluster serve(String... settings) throws Exception {
        Path model = Fixtures.require("models/qwen3-next");
        List<String> flags = new ArrayList<>(List.of(settings));
        flags.add("--max-model-len=256");
        flags.add("--tensor-parallel=2");
        return ServedCluster.start(Sandbox.plain(), model, flags.toArray(String[]::new));
    }

    /// Three requests in a row continue one text; all have the same beginning.
    private static Generated complete(ServedCluster cluster, int request) {
        List<Integer> prompt = new ArrayList<>(ids(1, 80));
        prompt.addAll(ids(2 + request / 3, 30 + request));
        ObjectNode body =
                CompletionBodies.greedy(prompt, 40)
                        .put("temperature", 0.8)
                        .put("seed", 1000 + request)
                        .put("logprobs", 3);
        JsonNode answer = cluster.api().post(CompletionBodies.COMPLETIONS, body).ok();
        return Generated.of(answer);
    }

    private static List<Integer> ids(long seed, int count) {
        return new Random(seed).ints(count, 3, 1000).boxed().toList();
    }
}
