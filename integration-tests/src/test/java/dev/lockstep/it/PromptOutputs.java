// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TokenIds;
import dev.lockstep.proto.v1.TopLogprob;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/// Checks of the outputs of a prompt beside text (log-probabilities, scores, embeddings): against
/// recorded values and for consistency.
final class PromptOutputs {
    private static final int TOP = 3;

    private final Api api;
    private final Admin admin;
    private final double tolerance;

    /// Creates the checks.
    ///
    /// @param tolerance the largest difference of a log-probability
    PromptOutputs(Api api, Admin admin, double tolerance) {
        this.api = api;
        this.admin = admin;
        this.tolerance = tolerance;
    }

    void assertAsRecorded(GoldenCase golden) {
        List<Token> tokens = new ArrayList<>();
        List<Float> states = new ArrayList<>();
        for (InferenceEvent event : outputs(admin, golden.prompt())) {
            tokens.addAll(event.getOutputs().getOutputs().getNextTokensList());
            states.addAll(event.getOutputs().getOutputs().getHiddenStatesList());
        }
        assertEquals(golden.prompt().size() - 1, tokens.size());
        for (int position = 0; position < tokens.size(); position++) {
            Token token = tokens.get(position);
            double[] expected = golden.logprobs(position);
            assertEquals(golden.prompt().get(position + 1), token.getId());
            assertEquals(expected[token.getId()], token.getLogprob(), tolerance);
            assertEquals(TOP, token.getTopLogprobsCount());
            for (TopLogprob top : token.getTopLogprobsList()) {
                assertEquals(expected[top.getTokenId()], top.getLogprob(), tolerance);
            }
        }
        assertScored(golden, tokens);
        assertEmbedded(golden.prompt(), states);
    }

    /// Returns the log-probabilities of a prompt's tokens after the first, and of the most likely
    /// ones at each of these positions.
    static double[] logprobs(Admin admin, List<Integer> prompt) {
        DoubleStream.Builder logprobs = DoubleStream.builder();
        for (InferenceEvent event : outputs(admin, prompt)) {
            for (Token token : event.getOutputs().getOutputs().getNextTokensList()) {
                logprobs.add(token.getLogprob());
                token.getTopLogprobsList().forEach(top -> logprobs.add(top.getLogprob()));
            }
        }
        double[] all = logprobs.build().toArray();
        assertEquals((prompt.size() - 1) * (1 + TOP), all.length);
        return all;
    }

    private static List<InferenceEvent> outputs(Admin admin, List<Integer> prompt) {
        InferenceRequest request =
                InferenceRequest.newBuilder()
                        .setModel(ServedCluster.MODEL)
                        .setPromptIds(TokenIds.newBuilder().addAllIds(prompt))
                        .setMaxTokens(0)
                        .setPromptLogprobs(TOP)
                        .setReturnHiddenStates(true)
                        .build();
        List<InferenceEvent> events = new ArrayList<>();
        InferenceGrpc.newBlockingStub(admin.channel())
                .withDeadlineAfter(BoundedWait.TIMEOUT)
                .generate(request)
                .forEachRemaining(events::add);
        return events;
    }

    /// Asserts that `/score` of the second half returns the same bits as the prompt
    /// log-probabilities.
    private void assertScored(GoldenCase golden, List<Token> tokens) {
        int half = golden.prompt().size() / 2;
        if (half == 0) {
            return;
        }
        ObjectNode body = JsonNodes.object().put("model", ServedCluster.MODEL);
        body.set("prompt", JsonNodes.array(golden.prompt().subList(0, half)));
        body.set(
                "continuation",
                JsonNodes.array(golden.prompt().subList(half, golden.prompt().size())));
        JsonNode response = api.post("/score", body).ok();
        double sum = 0;
        for (int i = half; i < golden.prompt().size(); i++) {
            double logprob = response.path("token_logprobs").path(i - half).doubleValue();
            assertEquals(tokens.get(i - 1).getLogprob(), (float) logprob);
            sum += (float) logprob;
        }
        assertEquals(golden.prompt().size() - half, response.path("token_logprobs").size());
        assertEquals(sum, response.path("logprob").doubleValue(), 1e-9);
    }

    /// Asserts that embeddings are pooled hidden states, normalized to length 1.
    private void assertEmbedded(List<Integer> prompt, List<Float> states) {
        int size = states.size() / prompt.size();
        double[] mean = new double[size];
        double[] last = new double[size];
        for (int p = 0; p < prompt.size(); p++) {
            for (int i = 0; i < size; i++) {
                mean[i] += states.get(p * size + i) / (double) prompt.size();
                last[i] = states.get(p * size + i);
            }
        }
        assertVector(mean, embedding(prompt, "mean"));
        assertVector(last, embedding(prompt, "last"));
    }

    private JsonNode embedding(List<Integer> prompt, String pooling) {
        ObjectNode body =
                JsonNodes.object().put("model", ServedCluster.MODEL).put("pooling", pooling);
        body.set("input", JsonNodes.array(prompt));
        return api.post("/v1/embeddings", body).ok().path("data").path(0).path("embedding");
    }

    private static void assertVector(double[] expected, JsonNode vector) {
        double length = 0;
        for (double each : expected) {
            length += each * each;
        }
        assertTrue(length > 0, "a vector of zeros");
        assertEquals(expected.length, vector.size());
        for (int i = 0; i < expected.length; i++) {
            // The values are at most 1, in 32 bits.
            assertEquals(expected[i] / Math.sqrt(length), vector.get(i).doubleValue(), 1e-6);
        }
    }
}
