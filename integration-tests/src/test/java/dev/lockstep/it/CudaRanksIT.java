// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Three ranks with a GPU each and memory for few sequences: whatever happens beside a request, it
/// gets the recorded ids.
@ExtendWith(LogsOnFailure.class)
final class CudaRanksIT {
    private static final int RANKS = 3;
    private static final int BLOCK_SIZE = 16;

    /// The model has 3 layers with 2 KV heads of 32 values, one of which two ranks hold; keys and
    /// values in f32.
    private static final int BLOCK_BYTES = 3 * RANKS * 32 * 2 * Float.BYTES * BLOCK_SIZE;

    /// The longest sequence, of 124 tokens, takes eight blocks. The null block is one, too.
    private static final int BLOCKS = 18;

    private static List<GoldenCase> goldens;
    private static ServedCluster cluster;
    private static List<Long> allocations = List.of();

    @BeforeAll
    static void start() throws Exception {
        Path model = Fixtures.require("models/llama");
        goldens = GoldenCase.of(model);
        Sandbox sandbox = Sandbox.quick();
        cluster =
                CudaClusters.startBy(
                        List.of("env", "CUDA_EMULATION_CALLS=" + sandbox.folder()),
                        sandbox,
                        model,
                        RANKS,
                        "--max-model-len=128",
                        "--kv-memory=" + BLOCKS * BLOCK_BYTES);
        assertEquals(RANKS, cluster.group().getRanksCount());
        assertEquals(BLOCKS - 1, cluster.group().getBlocksTotal());
        allocations = allocations();
    }

    @AfterAll
    static void stop() throws Exception {
        if (cluster != null) {
            try {
                assertEquals(allocations, allocations(), "steps have allocated memory");
            } finally {
                cluster.close();
            }
        }
    }

    /// Returns how often each rank has allocated memory of its GPU.
    private static List<Long> allocations() throws Exception {
        List<Long> counts = new ArrayList<>();
        for (RankInfo rank : cluster.group().getRanksList()) {
            counts.add(CudaClusters.calls(cluster, rank.getPid(), "cuMemAlloc_v2"));
        }
        return counts;
    }

    /// A request with a cache of its own, unless another one has the same salt.
    private static ObjectNode request(GoldenCase golden, String salt) {
        return golden.request().put("cache_salt", salt);
    }

    private static JsonNode post(ObjectNode request) {
        return cluster.api().post(CompletionBodies.COMPLETIONS, request).ok();
    }

    private static void awaitIdle() throws Exception {
        BoundedWait.find(
                () -> "no sequence runs and all blocks are free: " + cluster.group(),
                () -> Optional.of(cluster.group()).filter(Baseline::isEmpty));
    }

    @Test
    void requestsAloneGetTheRecordedIds() {
        for (GoldenCase each : goldens) {
            assertEquals(each.greedy(), Generated.of(post(request(each, "alone"))).ids());
        }
    }

    @Test
    void preemptedRequestsGetTheRecordedIds() throws Exception {
        GroupStatus before = cluster.group();
        List<GoldenCase> all = new ArrayList<>();
        for (List<GoldenCase> each : Collections.nCopies(4, goldens)) {
            all.addAll(each);
        }
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            numbers.add(i);
        }
        List<Generated> together =
                Together.map(
                        numbers, i -> Generated.of(post(request(all.get(i), "together " + i))));
        for (int i = 0; i < all.size(); i++) {
            assertEquals(all.get(i).greedy(), together.get(i).ids(), "request " + i);
        }
        awaitIdle();
        long preemptions = cluster.group().getPreemptions() - before.getPreemptions();
        assertTrue(preemptions > 0, "no sequence was preempted");
    }

    @Test
    void aRequestWhosePromptIsCachedGetsTheRecordedIds() {
        GoldenCase golden = goldens.get(3);
        JsonNode first = post(request(golden, "cached"));
        assertEquals(0, Generated.cachedTokens(first));
        JsonNode second = post(request(golden, "cached"));
        // Full blocks, and a part of the next one by copy; the last token is always computed.
        assertEquals(golden.prompt().size() - 1, Generated.cachedTokens(second));
        assertEquals(golden.greedy(), Generated.of(first).ids());
        assertEquals(golden.greedy(), Generated.of(second).ids());
    }

    @Test
    void aRequestBesideOneThatIsCancelledGetsTheRecordedIds() throws Exception {
        GoldenCase golden = goldens.get(2);
        long before = cluster.group().getSteps();
        ObjectNode cancelled =
                CompletionBodies.greedy(List.of(5, 6, 7), 120)
                        .put("cache_salt", "cancelled")
                        .put("stream", true);
        ObjectNode beside = request(golden, "beside").put("stream", true);
        try (EventReader other = cluster.api().stream(CompletionBodies.COMPLETIONS, beside)) {
            try (EventReader events =
                    cluster.api().stream(CompletionBodies.COMPLETIONS, cancelled)) {
                assertTrue(events.next().orElseThrow().has("choices"), "the first token");
            }
            assertEquals(golden.greedy(), Generated.of(other).ids());
        }
        awaitIdle();
        long steps = cluster.group().getSteps() - before;
        assertTrue(steps < 110, () -> steps + " steps");
        assertEquals(golden.greedy(), Generated.of(post(request(golden, "after"))).ids());
    }
}
