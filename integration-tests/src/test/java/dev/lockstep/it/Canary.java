// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TokenizeRequest;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// A request with a marker, a word that no other request has, in its prompt or in the value that it
/// is refused for.
record Canary(Kind kind, int number, String marker, String tenant) {
    private static final int LETTERS = 12;

    /// What is sent, and what of the answer is compared.
    enum Kind {
        HTTP_ECHO,
        HTTP_CHAT,
        HTTP_STREAM,
        HTTP_EMBEDDING,
        HTTP_SCORE,
        HTTP_TOKENIZE,
        HTTP_REFUSED,
        HTTP_UNKNOWN_MODEL,
        HTTP_MALFORMED,
        HTTP_CANCELLED,
        RPC_PROMPT_OUTPUTS,
        RPC_LOGPROBS,
        RPC_PLAIN,
        RPC_CHAT,
        RPC_POOLED,
        RPC_TOKENIZE,
        RPC_REFUSED,
        RPC_CANCELLED
    }

    /// @param text everything of the answer that the request determines; of a cancelled one the
    ///   part that was read
    /// @param id of the response, if a timeline belongs to it
    record Answer(String text, Optional<String> id) {}

    /// Returns a request of the n-th kind for one of a few tenants, the same for the same seed.
    static Canary of(int number, long seed) {
        Kind kind = Kind.values()[number % Kind.values().length];
        return new Canary(
                kind, number, word(seed + number), "tenant" + word(seed - 1 - number % 7));
    }

    /// Returns a word of mixed letters.
    static String word(long seed) {
        var random = new Random(seed * 0x9E3779B97F4A7C15L);
        var word = new StringBuilder();
        for (int i = 0; i < LETTERS; i++) {
            word.append((char) ((random.nextBoolean() ? 'a' : 'A') + random.nextInt(26)));
        }
        return word.toString();
    }

    /// Returns whether the answer quotes the marker.
    boolean isQuoted() {
        return switch (kind) {
            case HTTP_ECHO, HTTP_REFUSED, HTTP_UNKNOWN_MODEL, RPC_REFUSED -> true;
            case HTTP_CHAT,
                    HTTP_STREAM,
                    HTTP_EMBEDDING,
                    HTTP_SCORE,
                    HTTP_TOKENIZE,
                    HTTP_MALFORMED,
                    HTTP_CANCELLED,
                    RPC_PROMPT_OUTPUTS,
                    RPC_LOGPROBS,
                    RPC_PLAIN,
                    RPC_CHAT,
                    RPC_POOLED,
                    RPC_TOKENIZE,
                    RPC_CANCELLED ->
                    false;
        };
    }

    /// Returns whether the request runs to its end, so that it has the same answer every time.
    boolean isComplete() {
        return kind != Kind.HTTP_CANCELLED && kind != Kind.RPC_CANCELLED;
    }

    /// Sends the request and reads its answer.
    ///
    /// @param api as the tenant uses it, as is the channel
    Answer send(Api api, Channel channel) {
        return switch (kind) {
            case HTTP_ECHO ->
                    of(
                            api.post(
                                    CompletionBodies.COMPLETIONS,
                                    completion().put("echo", true).put("logprobs", 3)));
            case HTTP_CHAT ->
                    of(
                            api.post(
                                    CompletionBodies.CHAT,
                                    chat().put("logprobs", true).put("top_logprobs", 2)));
            case HTTP_STREAM -> {
                ObjectNode body = completion().put("stream", true).put("logprobs", 2);
                try (EventReader events = api.stream(CompletionBodies.COMPLETIONS, body)) {
                    yield new Answer(Generated.of(events).toString(), Optional.empty());
                }
            }
            case HTTP_EMBEDDING -> of(api.post("/v1/embeddings", body().put("input", prompt())));
            case HTTP_SCORE ->
                    of(
                            api.post(
                                    "/score",
                                    body().put("prompt", prompt()).put("continuation", marker)));
            case HTTP_TOKENIZE -> of(api.post("/tokenize", body().put("prompt", prompt())));
            case HTTP_REFUSED ->
                    of(
                            api.post(
                                    CompletionBodies.COMPLETIONS,
                                    completion().put("service_class", marker)));
            case HTTP_UNKNOWN_MODEL ->
                    of(api.post(CompletionBodies.COMPLETIONS, completion().put("model", marker)));
            case HTTP_MALFORMED ->
                    of(api.post("/v1/embeddings", body().put("input", 3).put("user", marker)));
            case HTTP_CANCELLED -> {
                ObjectNode body = completion().put("stream", true).put("max_tokens", 300);
                try (EventReader events = api.stream(CompletionBodies.COMPLETIONS, body)) {
                    yield new Answer(events.next().orElseThrow().toString(), Optional.empty());
                }
            }
            case RPC_PROMPT_OUTPUTS ->
                    generate(
                            channel,
                            request().setPromptLogprobs(2).setReturnHiddenStates(true).setN(2));
            case RPC_LOGPROBS -> generate(channel, request().setLogprobs(true).setTopLogprobs(4));
            case RPC_PLAIN -> {
                Answer answer = generate(channel, request());
                assertTrue(!answer.text().contains("logprob"), answer::text);
                yield answer;
            }
            case RPC_CHAT ->
                    generate(
                            channel,
                            request()
                                    .setChat(
                                            ChatMessages.newBuilder()
                                                    .addMessages(
                                                            ChatMessage.newBuilder()
                                                                    .setRole("user")
                                                                    .setContent(prompt()))));
            case RPC_POOLED -> generate(channel, request().setMaxTokens(0).setPooling("mean"));
            case RPC_TOKENIZE ->
                    new Answer(
                            InferenceGrpc.newBlockingStub(channel)
                                    .withDeadlineAfter(BoundedWait.TIMEOUT)
                                    .tokenize(
                                            TokenizeRequest.newBuilder()
                                                    .setModel(ServedCluster.MODEL)
                                                    .setPrompt(prompt())
                                                    .build())
                                    .toString(),
                            Optional.empty());
            case RPC_REFUSED -> refused(channel);
            case RPC_CANCELLED -> cancelled(channel);
        };
    }

    private String prompt() {
        return "The word of request " + number + " is " + marker + ", and it is nobody else's.";
    }

    private static ObjectNode body() {
        return JsonNodes.object().put("model", ServedCluster.MODEL);
    }

    private ObjectNode sampled() {
        return body().put("max_tokens", 6)
                .put("temperature", 0.9)
                .put("seed", number)
                .put("ignore_eos", true);
    }

    private ObjectNode completion() {
        return sampled().put("prompt", prompt()).put("return_token_ids", true);
    }

    private ObjectNode chat() {
        ObjectNode chat = sampled();
        chat.putArray("messages").addObject().put("role", "user").put("content", prompt());
        return chat;
    }

    private InferenceRequest.Builder request() {
        return InferenceRequest.newBuilder()
                .setModel(ServedCluster.MODEL)
                .setPrompt(prompt())
                .setSeed(number)
                .setMaxTokens(6)
                .setIgnoreEos(true);
    }

    /// Reads what the request determines: neither id, time nor the use of the cache.
    private static Answer of(Api.Response response) {
        JsonNode body = response.body();
        Optional<String> id =
                body.path("id").isTextual() && body.path("choices").isArray()
                        ? Optional.of(body.path("id").asText())
                        : Optional.empty();
        if (body instanceof ObjectNode object) {
            object.remove(List.of("id", "created"));
            if (object.path("usage") instanceof ObjectNode usage) {
                usage.remove("prompt_tokens_details");
            }
        }
        return new Answer(response.status() + " " + body, id);
    }

    private static Answer generate(Channel channel, InferenceRequest.Builder request) {
        List<InferenceEvent> events = new ArrayList<>();
        InferenceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(BoundedWait.TIMEOUT)
                .generate(request.build())
                .forEachRemaining(events::add);
        int choices = Math.max(1, request.getN());
        var text = new StringBuilder();
        for (int choice = 0; choice < choices; choice++) {
            text.append(choice(events, choice));
        }
        return new Answer(text.toString(), Optional.of(events.getFirst().getId()));
    }

    /// Joins the events of a choice by what they carry, because their number depends on the moment.
    private static String choice(List<InferenceEvent> events, int choice) {
        var text = new StringBuilder();
        List<Token> tokens = new ArrayList<>();
        List<Token> promptTokens = new ArrayList<>();
        List<Float> hiddenStates = new ArrayList<>();
        List<Float> pooled = new ArrayList<>();
        for (InferenceEvent event : events) {
            if (event.hasDelta() && event.getDelta().getChoice() == choice) {
                text.append(event.getDelta().getText());
                tokens.addAll(event.getDelta().getTokensList());
            } else if (event.hasOutputs() && event.getOutputs().getChoice() == choice) {
                PositionOutputs outputs = event.getOutputs().getOutputs();
                promptTokens.addAll(outputs.getNextTokensList());
                hiddenStates.addAll(outputs.getHiddenStatesList());
                pooled.addAll(outputs.getPooledList());
            } else if (event.hasFinished() && event.getFinished().getChoice() == choice) {
                text.append(' ').append(event.getFinished().getReason());
            }
        }
        return "%s %s %s %s %s".formatted(text, tokens, promptTokens, hiddenStates, pooled);
    }

    private Answer refused(Channel channel) {
        try {
            return generate(channel, request().setServiceClass(marker));
        } catch (StatusRuntimeException e) {
            assertEquals(Status.Code.INVALID_ARGUMENT, e.getStatus().getCode());
            return new Answer(e.getStatus().toString(), Optional.empty());
        }
    }

    private Answer cancelled(Channel channel) {
        Context.CancellableContext context = Context.current().withCancellation();
        Context before = context.attach();
        try {
            InferenceEvent first =
                    InferenceGrpc.newBlockingStub(channel)
                            .withDeadlineAfter(BoundedWait.TIMEOUT)
                            .generate(request().setMaxTokens(300).build())
                            .next();
            return new Answer(first.toString(), Optional.empty());
        } finally {
            context.detach(before);
            context.cancel(null);
        }
    }
}
