// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.DetokenizeRequest;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceFinished;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ListModelsRequest;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.StructuredOutputs;
import dev.lockstep.proto.v1.TextConstraint;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TokenIds;
import dev.lockstep.proto.v1.TokenizeRequest;
import dev.lockstep.proto.v1.TokenizeResponse;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of the public API over gRPC, on the port of the HTTP API.
final class RpcApiTest {
    private static TestCoordinator tiny;
    private static RpcClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        client = new RpcClient(tiny);
    }

    @AfterAll
    static void stop() {
        client.close();
        tiny.close();
    }

    @Test
    void hiddenStatesAndPromptLogprobsPrecedeTheText() {
        tiny.scheduler.behave(
                call -> {
                    PromptOutputs requested = call.request().getOutputs();
                    assertTrue(requested.getLogprobs() && requested.getHiddenStates());
                    assertEquals(2, requested.getTopLogprobs());
                    call.outputs(
                            0,
                            PositionOutputs.newBuilder()
                                    .setHiddenSize(2)
                                    .addAllHiddenStates(List.of(1f, 2f, 3f, 4f))
                                    .addNextTokens(Token.newBuilder().setId(8).setLogprob(-1))
                                    .build());
                    call.oneByOne(0, tiny.ids("x"));
                    call.finishByLength(0);
                });
        List<InferenceEvent> events =
                client.generate(
                        RpcClient.request()
                                .setPromptIds(TokenIds.newBuilder().addIds(7).addIds(8))
                                .setPromptLogprobs(2)
                                .setReturnHiddenStates(true));
        PositionOutputs outputs = events.getFirst().getOutputs().getOutputs();
        assertEquals(List.of(1f, 2f, 3f, 4f), outputs.getHiddenStatesList());
        assertEquals(-1, outputs.getNextTokens(0).getLogprob());
        assertEquals("x", RpcClient.text(events, 0));
    }

    @Test
    void aPromptIsPooledWithoutGeneratedTokens() {
        tiny.scheduler.behave(
                call -> {
                    assertEquals(Pooling.POOLING_MEAN, call.request().getOutputs().getPooling());
                    call.outputs(0, PositionOutputs.newBuilder().addPooled(3).build());
                    call.finishByLength(0);
                });
        InferenceRequest.Builder pooled =
                RpcClient.request().setPrompt("Hello").setPooling("mean").setMaxTokens(0);
        List<InferenceEvent> events = client.generate(pooled);
        assertEquals(List.of(3f), events.getFirst().getOutputs().getOutputs().getPooledList());
        assertTrue(events.getLast().hasFinished());
        StatusRuntimeException refusal =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> client.generate(pooled.setMaxTokens(1)));
        assertEquals(Status.Code.INVALID_ARGUMENT, refusal.getStatus().getCode());
        assertTrue(String.valueOf(refusal.getMessage()).contains("max_tokens must be 0"));
    }

    @Test
    void poolingOfTheModelIsTheVectorOfTheHttpApi() {
        tiny.scheduler.behave(
                call -> {
                    assertEquals(Pooling.POOLING_LAST, call.request().getOutputs().getPooling());
                    call.outputs(0, PositionOutputs.newBuilder().addPooled(3).addPooled(4).build());
                    call.finishByLength(0);
                });
        InferenceRequest.Builder request =
                RpcClient.request().setPrompt("Hello").setPooling("model").setMaxTokens(0);
        assertEquals(
                List.of(0.6f, 0.8f),
                client.generate(request).getFirst().getOutputs().getOutputs().getPooledList());
        assertEquals(
                List.of(3f, 4f),
                client.generate(request.setNormalize(false))
                        .getFirst()
                        .getOutputs()
                        .getOutputs()
                        .getPooledList());
        assertEquals(
                List.of(1f),
                client.generate(request.clearNormalize().setDimensions(1))
                        .getFirst()
                        .getOutputs()
                        .getOutputs()
                        .getPooledList());
        for (InferenceRequest.Builder wrong :
                List.of(
                        request.clone().setMaxTokens(1),
                        request.clone().clearMaxTokens(),
                        request.clone().setPromptName("query"))) {
            StatusRuntimeException refusal =
                    assertThrows(StatusRuntimeException.class, () -> client.generate(wrong));
            assertEquals(Status.Code.INVALID_ARGUMENT, refusal.getStatus().getCode());
        }
    }

    @Test
    void fieldsThatAPoolingDoesNotReadAreRefusedByName() {
        InferenceRequest.Builder pooled =
                RpcClient.request().setPrompt("Hello").setMaxTokens(0).setPooling("mean");
        InferenceRequest.Builder text = RpcClient.request().setPrompt("Hello").setMaxTokens(1);
        InferenceRequest.Builder ofModel = pooled.clone().setPooling("model");
        Map.of(
                        "normalize", pooled.clone().setNormalize(true),
                        "dimensions", text.clone().setDimensions(1),
                        "prompt_name", pooled.clone().setPromptName("query"),
                        "truncate", text.clone().setTruncate(true),
                        "prompt_logprobs", ofModel.clone().setPromptLogprobs(0),
                        "return_hidden_states", ofModel.clone().setReturnHiddenStates(true))
                .forEach(
                        (field, wrong) -> {
                            StatusRuntimeException refusal =
                                    assertThrows(
                                            StatusRuntimeException.class,
                                            () -> client.generate(wrong),
                                            field);
                            assertEquals(
                                    Status.Code.INVALID_ARGUMENT, refusal.getStatus().getCode());
                            String message = String.valueOf(refusal.getMessage());
                            assertTrue(message.contains(field + " is given"), message);
                        });
    }

    @Test
    void promptsAreTextTokenIdsOrChats() throws Exception {
        client.respondWith(" there");
        List<InferenceEvent> fromText =
                client.generate(RpcClient.request().setPrompt("Hello").setN(2));
        assertEquals(" there", RpcClient.text(fromText, 0));
        assertEquals(" there", RpcClient.text(fromText, 1));
        InferenceFinished last = fromText.getLast().getFinished();
        assertEquals(FinishReason.FINISH_REASON_LENGTH, last.getReason());
        assertEquals(2 * tiny.ids(" there").length, last.getUsage().getCompletionTokens());
        assertEquals(3, last.getUsage().getCachedTokens());

        assertEquals(
                " there",
                RpcClient.text(
                        client.generate(
                                RpcClient.request().setPromptIds(TokenIds.newBuilder().addIds(7))),
                        0));
        client.respondWith("Hi.");
        ChatMessages chat =
                ChatMessages.newBuilder()
                        .addMessages(ChatMessage.newBuilder().setRole("user").setContent("Hello"))
                        .build();
        List<InferenceEvent> events =
                client.generate(
                        RpcClient.request()
                                .setChat(chat)
                                .setTemperature(0.5f)
                                .setSeed(7)
                                .setLogprobs(true)
                                .setTopLogprobs(2));
        assertEquals("Hi.", RpcClient.text(events, 0));
        assertEquals(2, events.getFirst().getDelta().getTokens(0).getTopLogprobsCount());
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        assertEquals(15, call.request().getPromptIdsCount());
        assertEquals(0.5f, call.sampling().getTemperature());
        assertEquals(7, call.sampling().getSeed());
    }

    @Test
    void aConstraintHasTheFieldsOfTheHttpApi() throws Exception {
        client.respondWith("a");
        StructuredOutputs outputs =
                StructuredOutputs.newBuilder()
                        .setJson("{\"maxItems\":0,\"type\":\"array\"}")
                        .setWhitespace("flexible")
                        .build();
        client.generate(RpcClient.request().setPrompt("a").setStructuredOutputs(outputs));
        byte[] grammar =
                TextConstraint.parseFrom(tiny.scheduler.nextCall().request().getConstraint())
                        .getGrammar()
                        .toByteArray();
        TextMatcher matcher = CompiledGrammar.decode(grammar, GrammarLimits.DEFAULT).text();
        assertTrue(matcher.matches("[ ]".getBytes(StandardCharsets.UTF_8)));
        StructuredOutputs two = outputs.toBuilder().addChoice("a").addChoice("b").build();
        StatusRuntimeException refused =
                assertThrows(
                        StatusRuntimeException.class,
                        () ->
                                client.generate(
                                        RpcClient.request()
                                                .setPrompt("a")
                                                .setStructuredOutputs(two)));
        assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
        assertTrue(
                String.valueOf(refused.getStatus().getDescription())
                        .contains("structured_outputs.choice"));
    }

    @Test
    void anInvalidRequestGetsAStatusThatNamesTheField() {
        client.respondWith("no");
        StatusRuntimeException wrong =
                assertThrows(
                        StatusRuntimeException.class,
                        () ->
                                client.generate(
                                        RpcClient.request().setPrompt("a").setTemperature(3)));
        assertEquals(Status.Code.INVALID_ARGUMENT, wrong.getStatus().getCode());
        assertTrue(String.valueOf(wrong.getStatus().getDescription()).contains("temperature is 3"));
        StatusRuntimeException unknown =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> client.generate(RpcClient.request().setModel("x").setPrompt("a")));
        assertEquals(Status.Code.NOT_FOUND, unknown.getStatus().getCode());
        StatusRuntimeException empty =
                assertThrows(
                        StatusRuntimeException.class, () -> client.generate(RpcClient.request()));
        assertEquals(Status.Code.INVALID_ARGUMENT, empty.getStatus().getCode());
    }

    /// NaN is outside every range. Protobuf can express it, JSON cannot.
    @Test
    void nanIsRefusedWithTheField() {
        client.respondWith("no");
        LogitBias.Builder bias = LogitBias.newBuilder().setTokenId(7).setBias(Float.NaN);
        Map.ofEntries(
                        Map.entry("temperature", RpcClient.request().setTemperature(Float.NaN)),
                        Map.entry("top_p", RpcClient.request().setTopP(Float.NaN)),
                        Map.entry("min_p", RpcClient.request().setMinP(Float.NaN)),
                        Map.entry("typical_p", RpcClient.request().setTypicalP(Float.NaN)),
                        Map.entry(
                                "repetition_penalty",
                                RpcClient.request().setRepetitionPenalty(Float.POSITIVE_INFINITY)),
                        Map.entry(
                                "frequency_penalty",
                                RpcClient.request().setFrequencyPenalty(Float.NEGATIVE_INFINITY)),
                        Map.entry(
                                "presence_penalty",
                                RpcClient.request().setPresencePenalty(Float.NaN)),
                        Map.entry("logit_bias.7", RpcClient.request().addLogitBias(bias)))
                .forEach(RpcApiTest::assertOutOfRange);
    }

    private static void assertOutOfRange(String field, InferenceRequest.Builder request) {
        StatusRuntimeException refused =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> client.generate(request.setPrompt("a")));
        assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
        String reason = String.valueOf(refused.getStatus().getDescription());
        assertTrue(reason.startsWith(field + " is "), reason);
        assertTrue(reason.contains("it must lie in"), reason);
    }

    @Test
    void aFullQueueAndALostSchedulerHaveTheirOwnStatus() {
        tiny.scheduler.behave(call -> call.fail(Status.RESOURCE_EXHAUSTED));
        StatusRuntimeException full =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> client.generate(RpcClient.request().setPrompt("a")));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, full.getStatus().getCode());
        Metadata trailers = full.getTrailers();
        assertTrue(trailers != null && trailers.containsKey(SchedulerCall.RETRY_AFTER_MS));
        tiny.scheduler.behave(
                call -> {
                    call.accept();
                    call.fail(Status.UNAVAILABLE);
                });
        StatusRuntimeException lost =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> client.generate(RpcClient.request().setPrompt("a")));
        assertEquals(Status.Code.ABORTED, lost.getStatus().getCode());
    }

    @Test
    void aCancelledCallCancelsTheRequestInTheEngine() throws Exception {
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello"));
                    call.awaitCancelled();
                });
        Context.CancellableContext context = Context.current().withCancellation();
        Iterator<InferenceEvent> events =
                context.call(
                        () -> client.stub().generate(RpcClient.request().setPrompt("a").build()));
        assertTrue(events.hasNext());
        context.cancel(null);
        assertTrue(tiny.scheduler.nextCall().awaitCancelled());
    }

    @Test
    void textIsTokenizedAndDetokenized() {
        TokenizeResponse tokens =
                client.stub()
                        .tokenize(
                                TokenizeRequest.newBuilder()
                                        .setModel("tiny")
                                        .setPrompt("Hello")
                                        .build());
        assertEquals(tiny.ids("Hello").length, tokens.getTokensCount());
        assertEquals(
                "Hello",
                client.stub()
                        .detokenize(
                                DetokenizeRequest.newBuilder()
                                        .setModel("tiny")
                                        .addAllTokens(tokens.getTokensList())
                                        .build())
                        .getPrompt());
        assertEquals(
                "tiny",
                client.stub()
                        .listModels(ListModelsRequest.getDefaultInstance())
                        .getModels(0)
                        .getId());
    }
}
