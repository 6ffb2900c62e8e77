// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// In models that keep something else than keys and values of whole layers, hits of the prefix
/// cache, preemptions, several choices and other requests change no bit of the output.
///
/// Without `-Dlockstep.long=true` a gated delta net is served, and a random one of the others.
@ExtendWith(LogsOnFailure.class)
final class CachedFamiliesIT {
    private static final int REQUESTS = 24;
    private static final int MAX_MODEL_LEN = 256;
    private static final int BLOCK_SIZE = 16;

    /// A model that is served at two ranks.
    ///
    /// @param folder of the fixtures, or the name of a recorded reference
    /// @param vocabulary its number of tokens
    record Family(String folder, int vocabulary) {
        Path prepare(Sandbox sandbox) {
            return folder.contains("/")
                    ? Fixtures.require(folder)
                    : Models.recorded(sandbox, folder);
        }
    }

    private static final Family GATED_DELTA_NET = new Family("models/qwen3-next", 1000);

    private static final List<Family> OTHERS =
            List.of(
                    new Family("models/gpt-oss", 1000),
                    new Family("lfm2", 96),
                    new Family("granite-hybrid", 96),
                    new Family("falcon-h1", 96),
                    new Family("nemotron-h", 96),
                    new Family("deepseek-v3", 96),
                    new Family("llama4", 96),
                    new Family("gemma3n", 96),
                    new Family("gemma4-layer-inputs", 96));

    static Stream<Family> families() {
        Stream<Family> others =
                Boolean.getBoolean("lockstep.long")
                        ? OTHERS.stream()
                        : Stream.of(OTHERS.get(new Random().nextInt(OTHERS.size())));
        return Stream.concat(Stream.of(GATED_DELTA_NET), others);
    }

    @ParameterizedTest
    @MethodSource("families")
    void sharedPrefixesInLittleMemoryGiveTheSameBitsAsAloneWithoutACache(Family family)
            throws Exception {
        List<List<Generated>> expected = new ArrayList<>();
        long blockBytes;
        try (ServedCluster cluster = serve(family, "--prefix-cache=off")) {
            for (int request = 0; request < REQUESTS; request++) {
                expected.add(complete(cluster, family, request));
            }
            GroupStatus group = cluster.group();
            long bytes = group.getRanksList().stream().mapToLong(RankInfo::getKvBytes).sum();
            blockBytes = bytes / (group.getBlocksTotal() + 1);
        }
        // For three of the longest sequences, and the null block.
        long blocks = 3 * MAX_MODEL_LEN / BLOCK_SIZE + 1;
        try (ServedCluster cluster =
                serve(
                        family,
                        "--kv-memory=" + blocks * blockBytes,
                        "--max-num-batched-tokens=40")) {
            for (int round = 0; round < 2; round++) {
                List<List<Generated>> together =
                        Together.map(
                                IntStream.range(0, REQUESTS).boxed().toList(),
                                request -> complete(cluster, family, request));
                for (int request = 0; request < REQUESTS; request++) {
                    assertEquals(
                            expected.get(request),
                            together.get(request),
                            "%s, request %d".formatted(family.folder(), request));
                }
            }
            GroupStatus group = cluster.group();
            System.out.println(
                    "%s: %d of %d prompt tokens cached, %d preemptions"
                            .formatted(
                                    family.folder(),
                                    group.getCachedTokens(),
                                    group.getPromptTokens(),
                                    group.getPreemptions()));
            assertTrue(group.getPreemptions() > 0, "no sequence was preempted");
            assertTrue(
                    group.getCachedTokens() > group.getPromptTokens() / 8,
                    () -> group.getCachedTokens() + " of " + group.getPromptTokens() + " cached");
        }
    }

    private static ServedCluster serve(Family family, String... settings) throws Exception {
        Sandbox sandbox = Sandbox.plain();
        List<String> flags = new ArrayList<>(List.of(settings));
        flags.add("--max-model-len=" + MAX_MODEL_LEN);
        flags.add("--tensor-parallel=2");
        flags.add("--dtype=f32");
        return ServedCluster.start(sandbox, family.prepare(sandbox), flags.toArray(String[]::new));
    }

    /// Three requests in a row continue one text; all have the same beginning. Every fourth has
    /// three choices.
    private static List<Generated> complete(ServedCluster cluster, Family family, int request) {
        List<Integer> prompt = new ArrayList<>(ids(family, 1, 80));
        prompt.addAll(ids(family, 2 + request / 3, 30 + request));
        ObjectNode body =
                CompletionBodies.greedy(prompt, 40)
                        .put("temperature", 0.8)
                        .put("seed", 1000 + request)
                        .put("n", request % 4 == 0 ? 3 : 1)
                        .put("logprobs", 3);
        return Generated.choices(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok());
    }

    private static List<Integer> ids(Family family, long seed, int count) {
        return new Random(seed).ints(count, 3, family.vocabulary()).boxed().toList();
    }
}
