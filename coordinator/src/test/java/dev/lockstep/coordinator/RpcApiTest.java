// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.UnknownFieldSet;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.DetokenizeRequest;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceFinished;
import dev.lockstep.proto.v1.InferenceGrpc;
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
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the public API over gRPC, on the port of the HTTP API.
final class RpcApiTest {
    private static TestCoordinator tiny;
    private static ManagedChannel channel;
    private static InferenceGrpc.InferenceBlockingStub stub;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        channel =
                NettyChannelBuilder.forAddress("127.0.0.1", tiny.coordinator.port())
                        .usePlaintext()
                        .build();
        stub = InferenceGrpc.newBlockingStub(channel);
    }

    @AfterAll
    static void stop() {
        channel.shutdownNow();
        tiny.close();
    }

    private static InferenceRequest.Builder request() {
        return InferenceRequest.newBuilder().setModel("tiny");
    }

    private static List<InferenceEvent> generate(InferenceRequest.Builder request) {
        List<InferenceEvent> events = new ArrayList<>();
        stub.withDeadlineAfter(Eventually.TIMEOUT)
                .generate(request.build())
                .forEachRemaining(events::add);
        return events;
    }

    private static void respondWith(String text) {
        tiny.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.oneByOne(i, tiny.ids(text));
                        call.finishByLength(i);
                    }
                });
    }

    private static String text(List<InferenceEvent> events, int choice) {
        var text = new StringBuilder();
        for (InferenceEvent event : events) {
            if (event.hasDelta() && event.getDelta().getChoice() == choice) {
                text.append(event.getDelta().getText());
            }
        }
        return text.toString();
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
                generate(
                        request()
                                .setPromptIds(TokenIds.newBuilder().addIds(7).addIds(8))
                                .setPromptLogprobs(2)
                                .setReturnHiddenStates(true));
        PositionOutputs outputs = events.getFirst().getOutputs().getOutputs();
        assertEquals(List.of(1f, 2f, 3f, 4f), outputs.getHiddenStatesList());
        assertEquals(-1, outputs.getNextTokens(0).getLogprob());
        assertEquals("x", text(events, 0));
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
                request().setPrompt("Hello").setPooling("mean").setMaxTokens(0);
        List<InferenceEvent> events = generate(pooled);
        assertEquals(List.of(3f), events.getFirst().getOutputs().getOutputs().getPooledList());
        assertTrue(events.getLast().hasFinished());
        StatusRuntimeException refusal =
                assertThrows(StatusRuntimeException.class, () -> generate(pooled.setMaxTokens(1)));
        assertEquals(Status.Code.INVALID_ARGUMENT, refusal.getStatus().getCode());
        assertTrue(String.valueOf(refusal.getMessage()).contains("max_tokens must be 0"));
    }

    @Test
    void promptsAreTextTokenIdsOrChats() throws Exception {
        respondWith(" there");
        List<InferenceEvent> fromText = generate(request().setPrompt("Hello").setN(2));
        assertEquals(" there", text(fromText, 0));
        assertEquals(" there", text(fromText, 1));
        InferenceFinished last = fromText.getLast().getFinished();
        assertEquals(FinishReason.FINISH_REASON_LENGTH, last.getReason());
        assertEquals(2 * tiny.ids(" there").length, last.getUsage().getCompletionTokens());
        assertEquals(3, last.getUsage().getCachedTokens());

        assertEquals(
                " there",
                text(generate(request().setPromptIds(TokenIds.newBuilder().addIds(7))), 0));
        respondWith("Hi.");
        ChatMessages chat =
                ChatMessages.newBuilder()
                        .addMessages(ChatMessage.newBuilder().setRole("user").setContent("Hello"))
                        .build();
        List<InferenceEvent> events =
                generate(
                        request()
                                .setChat(chat)
                                .setTemperature(0.5f)
                                .setSeed(7)
                                .setLogprobs(true)
                                .setTopLogprobs(2));
        assertEquals("Hi.", text(events, 0));
        assertEquals(2, events.getFirst().getDelta().getTokens(0).getTopLogprobsCount());
        FakeScheduler.Call call = tiny.scheduler.nextCall();
        assertEquals(15, call.request().getPromptIdsCount());
        assertEquals(0.5f, call.sampling().getTemperature());
        assertEquals(7, call.sampling().getSeed());
    }

    @Test
    void aConstraintHasTheFieldsOfTheHttpApi() throws Exception {
        respondWith("a");
        StructuredOutputs outputs =
                StructuredOutputs.newBuilder()
                        .setJson("{\"maxItems\":0,\"type\":\"array\"}")
                        .setWhitespace("flexible")
                        .build();
        generate(request().setPrompt("a").setStructuredOutputs(outputs));
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
                        () -> generate(request().setPrompt("a").setStructuredOutputs(two)));
        assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
        assertTrue(
                String.valueOf(refused.getStatus().getDescription())
                        .contains("structured_outputs.choice"));
    }

    @Test
    void anInvalidRequestGetsAStatusThatNamesTheField() {
        respondWith("no");
        StatusRuntimeException wrong =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> generate(request().setPrompt("a").setTemperature(3)));
        assertEquals(Status.Code.INVALID_ARGUMENT, wrong.getStatus().getCode());
        assertTrue(String.valueOf(wrong.getStatus().getDescription()).contains("temperature is 3"));
        StatusRuntimeException unknown =
                assertThrows(
                        StatusRuntimeException.class,
                        () -> generate(request().setModel("x").setPrompt("a")));
        assertEquals(Status.Code.NOT_FOUND, unknown.getStatus().getCode());
        StatusRuntimeException empty =
                assertThrows(StatusRuntimeException.class, () -> generate(request()));
        assertEquals(Status.Code.INVALID_ARGUMENT, empty.getStatus().getCode());
    }

    /// NaN is outside every range. Protobuf can express it, JSON cannot.
    @Test
    void nanIsRefusedWithTheField() {
        respondWith("no");
        LogitBias.Builder bias = LogitBias.newBuilder().setTokenId(7).setBias(Float.NaN);
        Map.ofEntries(
                        Map.entry("temperature", request().setTemperature(Float.NaN)),
                        Map.entry("top_p", request().setTopP(Float.NaN)),
                        Map.entry("min_p", request().setMinP(Float.NaN)),
                        Map.entry("typical_p", request().setTypicalP(Float.NaN)),
                        Map.entry(
                                "repetition_penalty",
                                request().setRepetitionPenalty(Float.POSITIVE_INFINITY)),
                        Map.entry(
                                "frequency_penalty",
                                request().setFrequencyPenalty(Float.NEGATIVE_INFINITY)),
                        Map.entry("presence_penalty", request().setPresencePenalty(Float.NaN)),
                        Map.entry("logit_bias.7", request().addLogitBias(bias)))
                .forEach(RpcApiTest::assertOutOfRange);
    }

    private static void assertOutOfRange(String field, InferenceRequest.Builder request) {
        StatusRuntimeException refused =
                assertThrows(StatusRuntimeException.class, () -> generate(request.setPrompt("a")));
        assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
        String reason = String.valueOf(refused.getStatus().getDescription());
        assertTrue(reason.startsWith(field + " is "), reason);
        assertTrue(reason.contains("it must lie in"), reason);
    }

    /// Some megabytes of these values would fill the heap.
    @Test
    void aMessageThatNeedsTooMuchMemoryIsRefused() throws Exception {
        respondWith("yes");
        int many = TestCoordinator.MAX_BODY / 2 - 100;
        ChatMessages.Builder empty = ChatMessages.newBuilder();
        InferenceRequest.Builder biased = request().setPrompt("a");
        InferenceRequest.Builder stopped = request().setPrompt("a");
        UnknownFieldSet.Field.Builder unknown = UnknownFieldSet.Field.newBuilder();
        for (int i = 0; i < many; i++) {
            empty.addMessages(ChatMessage.getDefaultInstance());
            biased.addLogitBias(LogitBias.getDefaultInstance());
            if (i % 2 == 0) {
                stopped.addStop("");
            }
            unknown.addVarint(0);
        }
        byte[] ids = new byte[2 * many];
        InferenceRequest strange =
                request()
                        .setPrompt("a")
                        .setUnknownFields(
                                UnknownFieldSet.newBuilder().addField(15, unknown.build()).build())
                        .build();
        for (InferenceRequest heavy :
                List.of(
                        request().setChat(empty).build(),
                        biased.build(),
                        stopped.build(),
                        request().setPromptIds(TokenIds.parseFrom(packed(ids))).build(),
                        strange)) {
            StatusRuntimeException refused =
                    assertThrows(StatusRuntimeException.class, () -> generate(heavy.toBuilder()));
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, refused.getStatus().getCode());
            assertTrue(
                    String.valueOf(refused.getStatus().getDescription()).contains("so many values"),
                    refused::toString);
        }
        // A checked message releases its memory: together these exceed the budget.
        InferenceRequest large =
                request().setPromptIds(TokenIds.parseFrom(packed(new byte[many / 4]))).build();
        for (int i = 0; i < 8; i++) {
            StatusRuntimeException tooLong =
                    assertThrows(StatusRuntimeException.class, () -> generate(large.toBuilder()));
            assertEquals(Status.Code.INVALID_ARGUMENT, tooLong.getStatus().getCode());
        }
        assertEquals("yes", text(generate(request().setPrompt("a")), 0));
    }

    /// Returns the field `ids` of [TokenIds], one byte per id.
    private static byte[] packed(byte[] ids) throws IOException {
        var bytes = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        out.writeByteArray(1, ids);
        out.flush();
        return bytes.toByteArray();
    }

    @Test
    void aFullQueueAndALostGroupHaveTheirOwnStatus() {
        tiny.scheduler.behave(call -> call.fail(Status.RESOURCE_EXHAUSTED));
        StatusRuntimeException full =
                assertThrows(
                        StatusRuntimeException.class, () -> generate(request().setPrompt("a")));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, full.getStatus().getCode());
        Metadata trailers = full.getTrailers();
        assertTrue(trailers != null && trailers.containsKey(SchedulerCall.RETRY_AFTER_MS));
        tiny.scheduler.behave(
                call -> {
                    call.oneByOne(0, tiny.ids("Hello"));
                    call.fail(Status.ABORTED);
                });
        StatusRuntimeException lost =
                assertThrows(
                        StatusRuntimeException.class, () -> generate(request().setPrompt("a")));
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
                context.call(() -> stub.generate(request().setPrompt("a").build()));
        assertTrue(events.hasNext());
        context.cancel(null);
        assertTrue(tiny.scheduler.nextCall().awaitCancelled());
    }

    @Test
    void textIsTokenizedAndDetokenized() {
        TokenizeResponse tokens =
                stub.tokenize(
                        TokenizeRequest.newBuilder().setModel("tiny").setPrompt("Hello").build());
        assertEquals(tiny.ids("Hello").length, tokens.getTokensCount());
        assertEquals(
                "Hello",
                stub.detokenize(
                                DetokenizeRequest.newBuilder()
                                        .setModel("tiny")
                                        .addAllTokens(tokens.getTokensList())
                                        .build())
                        .getPrompt());
        assertEquals(
                "tiny",
                stub.listModels(ListModelsRequest.getDefaultInstance()).getModels(0).getId());
    }

    @Test
    void theClusterStatusListsGroupsAndMembers() {
        ClusterStatusResponse status =
                AdminGrpc.newBlockingStub(channel)
                        .clusterStatus(ClusterStatusRequest.getDefaultInstance());
        assertTrue(status.getReady());
        assertEquals("default", status.getGroups(0).getGroup());
        assertEquals(1, status.getGroups(0).getRanksCount());
        assertEquals(2, status.getMembersCount());
    }

    @Test
    void healthFollowsReadiness() throws Exception {
        HealthGrpc.HealthBlockingStub health = HealthGrpc.newBlockingStub(channel);
        HealthCheckRequest all = HealthCheckRequest.getDefaultInstance();
        assertEquals(HealthCheckResponse.ServingStatus.SERVING, health.check(all).getStatus());
        tiny.scheduler.ready(false);
        tiny.awaitReady(false);
        assertEquals(HealthCheckResponse.ServingStatus.NOT_SERVING, health.check(all).getStatus());
        tiny.scheduler.ready(true);
        tiny.awaitReady(true);
    }

    @ParameterizedTest
    @ValueSource(strings = {"grpc.reflection.v1", "grpc.reflection.v1alpha"})
    void reflectionListsTheServicesUnderBothOfItsNames(String name) throws Exception {
        MethodDescriptor<ServerReflectionRequest, ServerReflectionResponse> method =
                ServerReflectionGrpc.getServerReflectionInfoMethod().toBuilder()
                        .setFullMethodName(name + ".ServerReflection/ServerReflectionInfo")
                        .build();
        CompletableFuture<ServerReflectionResponse> result = new CompletableFuture<>();
        StreamObserver<ServerReflectionRequest> requests =
                ClientCalls.asyncBidiStreamingCall(
                        channel.newCall(method, CallOptions.DEFAULT),
                        new StreamObserver<>() {
                            @Override
                            public void onNext(ServerReflectionResponse response) {
                                result.complete(response);
                            }

                            @Override
                            public void onError(Throwable failure) {
                                result.completeExceptionally(failure);
                            }

                            @Override
                            public void onCompleted() {}
                        });
        requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
        List<String> names =
                result
                        .get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)
                        .getListServicesResponse()
                        .getServiceList()
                        .stream()
                        .map(service -> service.getName())
                        .toList();
        requests.onCompleted();
        assertTrue(names.contains("lockstep.v1.Inference"), names.toString());
        assertTrue(names.contains("lockstep.v1.Admin"), names.toString());
        assertTrue(names.contains("grpc.health.v1.Health"), names.toString());
    }

    @Test
    void aCompressedMessageIsLimitedByItsDecodedSize() {
        String bomb = " ".repeat(10 * TestCoordinator.MAX_BODY);
        StatusRuntimeException refused =
                assertThrows(
                        StatusRuntimeException.class,
                        () ->
                                stub.withCompression("gzip")
                                        .withDeadlineAfter(Eventually.TIMEOUT)
                                        .tokenize(
                                                TokenizeRequest.newBuilder()
                                                        .setModel("tiny")
                                                        .setPrompt(bomb)
                                                        .build()));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, refused.getStatus().getCode());
    }
}
