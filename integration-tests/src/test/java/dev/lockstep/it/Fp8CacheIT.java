// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A served model with keys and values of FP8 generates what compressed-tensors recorded with the
/// scales of its checkpoint: alone, beside others, in chunks, and after blocks were found.
@ExtendWith(LogsOnFailure.class)
final class Fp8CacheIT {
    private static final Path RECORDED =
            Path.of("..", "model", "src", "test", "resources", "fp8-cache");
    private static final int COPIES = 6;

    @ParameterizedTest
    @CsvSource({"tensor, 1, 16", "heads, 3, 1024"})
    void aServedModelGeneratesAsRecorded(String name, int ranks, int stepTokens) throws Exception {
        Path model = RECORDED.resolve(name);
        List<GoldenCase> cases = GoldenCase.of(model);
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.quick(),
                        model,
                        "--dtype=f32",
                        "--kv-dtype=fp8",
                        "--tensor-parallel=" + ranks,
                        "--max-num-batched-tokens=" + stepTokens)) {
            for (GoldenCase each : cases) {
                assertEquals(each.greedy(), generated(cluster, each).ids());
            }
            GoldenCase longest = cases.getLast();
            JsonNode again = response(cluster, longest);
            assertEquals(longest.greedy(), Generated.of(again).ids());
            assertTrue(Generated.cachedTokens(again) >= 16, again.toString());
            List<GoldenCase> all = new ArrayList<>();
            for (int i = 0; i < COPIES; i++) {
                all.addAll(cases);
            }
            List<Generated> together = Together.map(all, each -> generated(cluster, each));
            for (int i = 0; i < all.size(); i++) {
                assertEquals(all.get(i).greedy(), together.get(i).ids());
            }
        }
    }

    private static Generated generated(ServedCluster cluster, GoldenCase golden) {
        return Generated.of(response(cluster, golden));
    }

    private static JsonNode response(ServedCluster cluster, GoldenCase golden) {
        JsonNode body = golden.request();
        return cluster.api().post(CompletionBodies.COMPLETIONS, body).ok();
    }
}
