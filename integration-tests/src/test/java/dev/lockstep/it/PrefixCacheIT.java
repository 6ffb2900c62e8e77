package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// What the prefix cache finds, and in what order and chunks requests are computed, changes no bit
/// of what they get.
@Isolated("its clients take all cores")
@Timeout(900)
@ExtendWith(LogsOnFailure.class)
final class PrefixCacheIT {
    private static final int REQUESTS = 12;

    /// Of the default model: 30 layers, 3 KV heads of 64 values, keys and values, two bytes each.
    private static final int BLOCK_BYTES = 30 * 3 * 64 * 2 * 2 * 16;

    /// So little that sequences are preempted: what they do not share is for a few of them.
    private static final String LITTLE_MEMORY = "--kv-memory=" + 19 * BLOCK_BYTES;

    private static final String SHARED =
            "You are the keeper of a lighthouse on a small island far in the north. Every evening you"
                    + " climb the stairs, light the lamp and write into a book what you saw during the"
                    + " day: ships, birds, the weather, and now and then a visitor. You answer letters"
                    + " from children with short stories about the sea. Letter number ";

    @Test
    void everyPolicyGivesTheBitsThatAreGivenWithoutACache() throws Exception {
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
                alone.add(ask(cluster, i));
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
                                request -> ask(cluster, request));
                for (int i = 0; i < REQUESTS; i++) {
                    assertEquals(
                            expected.get(i),
                            together.get(i),
                            "request " + i + " under " + settings);
                }
            }
            assertUsageTellsWhatWasCached(cluster);
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
            assertTrue(!little || group.getPreemptions() > 0, "nobody was preempted");
        }
    }

    private static void assertUsageTellsWhatWasCached(ServedCluster cluster) {
        ObjectNode body =
                Requests.greedy(1).put("prompt", "Forty words nobody has sent before, " + SHARED);
        assertEquals(0, cachedTokens(cluster, body), "it begins like no other");
        int prompt = Generated.promptTokens(cluster.api().post(Requests.COMPLETIONS, body).ok());
        assertEquals(
                Math.min(prompt / 16 * 16, prompt - 1),
                cachedTokens(cluster, body),
                "its full blocks are cached, and the last token is computed in any case");
    }

    private static int cachedTokens(ServedCluster cluster, ObjectNode body) {
        return Generated.cachedTokens(cluster.api().post(Requests.COMPLETIONS, body).ok());
    }

    private static ServedCluster serve(List<String> settings) throws Exception {
        List<String> flags = new ArrayList<>(settings);
        flags.add("--max-model-len=256");
        return ServedCluster.start(
                Sandbox.plain(), Models.requireDefault(), flags.toArray(String[]::new));
    }

    private static Generated ask(ServedCluster cluster, int number) {
        ObjectNode body =
                Json.object()
                        .put("model", ServedCluster.MODEL)
                        .put("prompt", SHARED + number + (number % 3 == 0 ? ": Dear keeper," : ":"))
                        .put("seed", number)
                        .put("temperature", 0.8)
                        .put("max_tokens", 24 + number)
                        .put("ignore_eos", true)
                        .put("logprobs", 2)
                        .put("return_token_ids", true)
                        .put("priority", number % 3);
        return Generated.of(cluster.api().post(Requests.COMPLETIONS, body).ok());
    }
}
