// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TokenIds;
import dev.lockstep.proto.v1.TopLogprob;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A served model generates what other software recorded for it, at any rank count and beside any
/// other requests.
@Order(3)
@ExtendWith(LogsOnFailure.class)
final class GenerateIT {

    /// How many times all prompts are sent at once: 32 sequences are prefilled and decoded
    /// together.
    private static final int COPIES = 8;

    private static final int TOP = 20;

    /// f32 sums in another order change a logit by at most 7e-6; a wrong layer changes it by 4e-4
    /// or more.
    private static final double LOGPROB_TOLERANCE = 2e-4;

    @ParameterizedTest
    @CsvSource({
        "llama, 1, 1024",
        // Most prompts are longer than a step.
        "llama, 2, 16",
        "llama, 3, 1024",
        // Window and full attention.
        "gemma2, 2, 1024",
        // States beside attention, with prefixes found by snapshots.
        "qwen3-next, 2, 16"
    })
    void aServedModelGeneratesAsRecordedAtAnyRankCount(String name, int ranks, int stepTokens)
            throws Exception {
        Path model = Fixtures.require("models/" + name);
        List<GoldenCase> cases = GoldenCase.of(model);
        try (ServedCluster cluster =
                serve(Sandbox.quick(), model, ranks, "--max-num-batched-tokens=" + stepTokens)) {
            assertEquals(ranks, cluster.group().getRanksCount());
            for (GoldenCase each : cases) {
                assertGreedyIsExact(cluster.api(), each);
                assertFirstLogprobsAreClose(cluster.admin(), each);
                new PromptOutputs(cluster.api(), cluster.admin(), LOGPROB_TOLERANCE)
                        .assertAsRecorded(each);
            }
            assertGreedyIsExactTogether(cluster.api(), cases);
            if (name.equals("qwen3-next")) {
                assertFoundUpToTheSnapshotAtItsEnd(cluster.api(), cases.getLast().prompt());
            }
        }
    }

    private static void assertFoundUpToTheSnapshotAtItsEnd(Api api, List<Integer> prompt) {
        JsonNode body = CompletionBodies.greedy(prompt, 1);
        assertEquals(100, prompt.size());
        assertEquals(96, Generated.cachedTokens(api.post(CompletionBodies.COMPLETIONS, body).ok()));
    }

    @ParameterizedTest
    @CsvSource({"F32, 1", "F16, 1", "BF16, 2"})
    void aGgufFileGeneratesAsRecorded(String type, int ranks) throws Exception {
        Path folder = Fixtures.require("gguf");
        List<GoldenCase> cases =
                GoldenCase.read(
                        JsonNodes.read(folder.resolve("golden.json")).path(type).path("cases"),
                        folder.resolve("golden-logits.safetensors"),
                        type + ".");
        Path model = folder.resolve("llama-" + type + ".gguf");
        try (ServedCluster cluster = serve(Sandbox.quick(), model, ranks)) {
            for (GoldenCase each : cases) {
                assertGreedyIsExact(cluster.api(), each);
                assertFirstLogprobsAreClose(cluster.admin(), each);
            }
            assertTheMarkerEndsAText(cluster.api());
        }
    }

    /// Asserts that `<|im_end|>`, token 4, ends a text, although the end token of the file is 2.
    private static void assertTheMarkerEndsAText(Api api) {
        JsonNode body =
                JsonNodes.parse(
                        """
                        {"model":"%s","prompt":[5,6],"max_tokens":4,"logit_bias":{"4":100},"return_token_ids":true}"""
                                .formatted(ServedCluster.MODEL));
        Generated generated = Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok());
        assertEquals("stop", generated.finishReason());
        assertEquals(List.of(4), generated.ids());
    }

    /// Needs no recorded outputs, and is redundant with them.
    @Test
    void aTinyModelGeneratesTheSameAtOneRankAndAtThree() throws Exception {
        assumeTrue(Fixtures.find("models/llama").isEmpty(), "the recorded outputs check more");
        List<GoldenCase> alone = new ArrayList<>();
        var random = new Random(5);
        Sandbox first = Sandbox.plain();
        try (ServedCluster cluster = serve(first, Models.tiny(first, 1), 1)) {
            for (int length : List.of(1, 7, 40, 130)) {
                List<Integer> prompt = random.ints(length, 3, 512).boxed().toList();
                Generated generated =
                        Generated.of(
                                cluster.api()
                                        .post(
                                                CompletionBodies.COMPLETIONS,
                                                CompletionBodies.greedy(prompt, 24))
                                        .ok());
                assertEquals(24, generated.ids().size());
                alone.add(new GoldenCase(prompt, generated.ids(), List.of()));
            }
            assertGreedyIsExactTogether(cluster.api(), alone);
        }
        Sandbox second = Sandbox.plain();
        try (ServedCluster cluster = serve(second, Models.tiny(second, 1), 3)) {
            assertGreedyIsExactTogether(cluster.api(), alone);
        }
    }

    private static ServedCluster serve(Sandbox sandbox, Path model, int ranks, String... more)
            throws Exception {
        List<String> flags =
                new ArrayList<>(
                        List.of("--dtype=f32", "--kv-dtype=f32", "--tensor-parallel=" + ranks));
        flags.addAll(List.of(more));
        return ServedCluster.start(sandbox, model, flags.toArray(String[]::new));
    }

    private static void assertGreedyIsExact(Api api, GoldenCase golden) {
        JsonNode body = golden.request();
        Generated generated = Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok());
        assertEquals(golden.greedy(), generated.ids());
        assertEquals("length", generated.finishReason());
    }

    private static void assertGreedyIsExactTogether(Api api, List<GoldenCase> cases)
            throws Exception {
        List<GoldenCase> all = new ArrayList<>();
        for (int i = 0; i < COPIES; i++) {
            all.addAll(cases);
        }
        List<Generated> generated =
                Together.map(
                        all,
                        golden -> {
                            JsonNode body = golden.request().put("stream", true);
                            try (EventReader events =
                                    api.stream(CompletionBodies.COMPLETIONS, body)) {
                                return Generated.of(events);
                            }
                        });
        for (int i = 0; i < all.size(); i++) {
            assertEquals(all.get(i).greedy(), generated.get(i).ids(), "sent together, case " + i);
        }
    }

    /// Compares by id, which only gRPC returns: two ids may have the same text.
    private static void assertFirstLogprobsAreClose(Admin admin, GoldenCase golden) {
        double[] expected = golden.lastLogprobs();
        Token token = firstToken(admin, golden.prompt());
        assertEquals(golden.greedy().getFirst(), token.getId());
        assertEquals(expected[token.getId()], token.getLogprob(), LOGPROB_TOLERANCE);
        assertEquals(TOP, token.getTopLogprobsCount());
        double min = Double.POSITIVE_INFINITY;
        for (TopLogprob top : token.getTopLogprobsList()) {
            assertEquals(expected[top.getTokenId()], top.getLogprob(), LOGPROB_TOLERANCE);
            min = Math.min(min, expected[top.getTokenId()]);
        }
        double lowest = min;
        long higher =
                Arrays.stream(expected)
                        .filter(logprob -> logprob > lowest + LOGPROB_TOLERANCE)
                        .count();
        assertTrue(higher < TOP, "returned are not the top 20, " + higher + " are higher");
    }

    private static Token firstToken(Admin admin, List<Integer> prompt) {
        InferenceRequest request =
                InferenceRequest.newBuilder()
                        .setModel(ServedCluster.MODEL)
                        .setPromptIds(TokenIds.newBuilder().addAllIds(prompt))
                        .setTemperature(0)
                        .setMaxTokens(1)
                        .setIgnoreEos(true)
                        .setLogprobs(true)
                        .setTopLogprobs(TOP)
                        .build();
        List<Token> tokens = new ArrayList<>();
        InferenceGrpc.newBlockingStub(admin.channel())
                .withDeadlineAfter(BoundedWait.TIMEOUT)
                .generate(request)
                .forEachRemaining(
                        event ->
                                Optional.of(event)
                                        .filter(InferenceEvent::hasDelta)
                                        .ifPresent(
                                                delta ->
                                                        tokens.addAll(
                                                                delta.getDelta().getTokensList())));
        assertEquals(1, tokens.size());
        return tokens.getFirst();
    }
}
