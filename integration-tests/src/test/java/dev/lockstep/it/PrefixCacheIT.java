// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// Prefix cache hits, the order of requests and the size of chunks change no bit of the output.
@Isolated("its clients use all cores")
@ExtendWith(LogsOnFailure.class)
final class PrefixCacheIT {
    private static final int REQUESTS = 12;

    /// The default model has 30 layers with 3 KV heads of 64 values, keys and values, two bytes
    /// each.
    private static final int BLOCK_BYTES = 30 * 3 * 64 * 2 * 2 * 16;

    /// Little enough for preemptions: the blocks that are not shared suffice for a few sequences.
    private static final String LITTLE_MEMORY = "--kv-memory=" + 19 * BLOCK_BYTES;

    private static final String SHARED =
            "You are the keeper of a lighthouse on a small island far in the north. Every evening you"
                    + " climb the stairs, light the lamp and write into a book what you saw during the"
                    + " day: ships, birds, the weather, and now and then a visitor. You answer letters"
                    + " from children with short stories about the sea. Letter number ";

    @Test
    void everyPolicyGeneratesTheSameBitsAsWithoutACache() throws Exception {
        List<Generated> expected = alone();
        List<List<String>> settings =
                List.of(
                        List.of("--max-num-batched-tokens=24", LITTLE_MEMORY),
                        List.of(
                                "--capacity=guaranteed-no-evict",
                                "--micro-batch=equal-progress",
                                "--waiting-order=longest-prefix",
                                "--max-num-batched-tokens=40"),
                        List.of(
                                "--micro-batch=equal-progress",
                                "--waiting-order=fair",
                                "--max-num-batched-tokens=33",
                                LITTLE_MEMORY),
                        List.of("--waiting-order=priority", "--tensor-parallel=1"));
        for (List<String> each : settings) {
            assertSameBits(expected, each);
        }
    }

    private static List<Generated> alone() throws Exception {
        List<Generated> alone = new ArrayList<>();
        try (ServedCluster cluster = serve(List.of("--prefix-cache=off"))) {
            for (int i = 0; i < REQUESTS; i++) {
                alone.add(complete(cluster, i));
            }
            assertEquals(0, cluster.group().getCachedTokens());
        }
        return alone;
    }

    private static void assertSameBits(List<Generated> expected, List<String> settings)
            throws Exception {
        try (ServedCluster cluster = serve(settings)) {
            for (int round = 0; round < 2; round++) {
                List<Generated> together =
                        Together.map(
                                IntStream.range(0, REQUESTS).boxed().toList(),
                                request -> complete(cluster, request));
                for (int i = 0; i < REQUESTS; i++) {
                    assertEquals(
                            expected.get(i),
                            together.get(i),
                            "request " + i + " under " + settings);
                }
            }
            assertUsageReportsCachedTokens(cluster);
            GroupStatus group = cluster.group();
            System.out.println(
                    "%s: %d of %d prompt tokens cached, %d preemptions"
                            .formatted(
                                    settings,
                                    group.getCachedTokens(),
                                    group.getPromptTokens(),
                                    group.getPreemptions()));
            assertTrue(
                    group.getCachedTokens() > group.getPromptTokens() / 4,
                    () -> group.getCachedTokens() + " of " + group.getPromptTokens() + " cached");
            boolean little = settings.contains(LITTLE_MEMORY);
            assertTrue(!little || group.getPreemptions() > 0, "no sequence was preempted");
        }
    }

    private static void assertUsageReportsCachedTokens(ServedCluster cluster) {
        ObjectNode body =
                CompletionBodies.greedy(1).put("prompt", "Forty words of a new prompt, " + SHARED);
        assertEquals(0, cachedTokens(cluster, body), "no other prompt has this prefix");
        int prompt =
                Generated.promptTokens(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok());
        assertEquals(
                Math.min(prompt / 16 * 16, prompt - 1),
                cachedTokens(cluster, body),
                "the full blocks are cached; the last token is always computed");
    }

    private static int cachedTokens(ServedCluster cluster, ObjectNode body) {
        return Generated.cachedTokens(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok());
    }

    private static ServedCluster serve(List<String> settings) throws Exception {
        List<String> flags = new ArrayList<>(settings);
        flags.add("--max-model-len=256");
        return ServedCluster.start(
                Sandbox.plain(), Fixtures.requireDefaultModel(), flags.toArray(String[]::new));
    }

    private static Generated complete(ServedCluster cluster, int number) {
        ObjectNode body =
                JsonNodes.object()
                        .put("model", ServedCluster.MODEL)
                        .put("prompt", SHARED + number + (number % 3 == 0 ? ": Dear keeper," : ":"))
                        .put("seed", number)
                        .put("temperature", 0.8)
                        .put("max_tokens", 24 + number)
                        .put("ignore_eos", true)
                        .put("logprobs", 2)
                        .put("return_token_ids", true)
                        .put("priority", number % 3);
        return Generated.of(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok());
    }
}
