// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// A request that is preempted, recomputed and batched with others gets the same bits as alone.
@Isolated("its clients use all cores")
@ExtendWith(LogsOnFailure.class)
final class PreemptionIT {
    private static final int CLIENTS = 64;
    private static final int MAX_MODEL_LEN = 256;
    private static final int BLOCK_SIZE = 16;

    /// Enough for three of the longest sequences, plus the null block.
    private static final int BLOCKS = 3 * MAX_MODEL_LEN / BLOCK_SIZE + 1;

    /// The default model has 30 layers with 3 KV heads of 64 values, keys and values, two bytes
    /// each.
    private static final int BLOCK_BYTES = 30 * 3 * 64 * 2 * 2 * BLOCK_SIZE;

    /// The number of different requests. Each is first sent alone, which takes as long as all
    /// clients together.
    private static final int REQUESTS = 16;

    /// Small enough that recomputed sequences are prefilled in chunks, beside sequences that
    /// decode.
    private static final int STEP_TOKENS = 32;

    private static final List<String> SUBJECTS =
            List.of("the sea", "an old clock", "a lost key", "two brothers");

    @Test
    void manyClientsInLittleMemoryGetTheSameBitsAsAlone() throws Exception {
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.plain(),
                        Fixtures.requireDefaultModel(),
                        "--max-model-len=" + MAX_MODEL_LEN,
                        "--kv-memory=" + BLOCKS * BLOCK_BYTES,
                        // Otherwise the measured speed of the machine would set the chunk size.
                        "--max-num-batched-tokens=" + STEP_TOKENS)) {
            List<Generated> alone = new ArrayList<>();
            for (int i = 0; i < REQUESTS; i++) {
                alone.add(
                        Generated.of(
                                cluster.api().post(CompletionBodies.COMPLETIONS, request(i)).ok()));
            }
            GroupStatus before = cluster.group();
            assertEquals(3 * MAX_MODEL_LEN, before.getBlocksTotal() * BLOCK_SIZE);
            assertEquals(0, before.getPreemptions(), "no preemption of single requests");

            List<Integer> clients = new ArrayList<>();
            for (int client = 0; client < CLIENTS; client++) {
                clients.add(client % REQUESTS);
            }
            List<Generated> together =
                    Together.map(clients, request -> stream(cluster.api(), request(request)));

            for (int client = 0; client < CLIENTS; client++) {
                Generated expected = alone.get(clients.get(client));
                assertEquals(expected, together.get(client), "client " + client);
            }
            GroupStatus after =
                    BoundedWait.find(
                            () -> "all blocks are free: " + cluster.group(),
                            () -> Optional.of(cluster.group()).filter(Baseline::isEmpty));
            long mixed = after.getMixedSteps() - before.getMixedSteps();
            System.out.println(after.getPreemptions() + " preemptions, " + mixed + " mixed steps");
            assertTrue(after.getPreemptions() > 50, () -> after.getPreemptions() + " preemptions");
            assertTrue(mixed > 50, () -> mixed + " mixed steps");
        }
    }

    private static Generated stream(Api api, ObjectNode request) {
        JsonNode body = request.put("stream", true);
        try (EventReader events = api.stream(CompletionBodies.COMPLETIONS, body)) {
            return Generated.of(events);
        }
    }

    /// Returns a sampled request; different requests use different sampling parameters.
    private static ObjectNode request(int number) {
        ObjectNode body =
                JsonNodes.object()
                        .put("model", ServedCluster.MODEL)
                        .put(
                                "prompt",
                                "%d. Once there was %s"
                                        .formatted(number, SUBJECTS.get(number % SUBJECTS.size())))
                        .put("seed", 1000 + number)
                        .put("temperature", 0.7 + 0.05 * (number % 8))
                        .put("max_tokens", 62 + number % 15)
                        .put("ignore_eos", true)
                        .put("logprobs", 3)
                        .put("return_token_ids", true);
        return switch (number % 4) {
            case 0 -> body.put("top_p", 0.9);
            case 1 -> body.put("top_k", 20).put("min_p", 0.02);
            case 2 -> body.put("repetition_penalty", 1.2).put("presence_penalty", 0.5);
            default -> body;
        };
    }
}
