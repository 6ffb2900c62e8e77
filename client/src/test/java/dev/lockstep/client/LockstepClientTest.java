// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.InferenceDelta;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceFinished;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceOutputs;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.Token;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class LockstepClientTest {
    private static final String ENDLESS = "Tell me everything";
    private static final String CUT = "Tell me a part";
    private static final String FULL = "Tell me later";
    private static final String TOO_LARGE = "Tell me less";

    /// Only a hang takes longer, however busy the machine is.
    private static final Duration TIMEOUT = Duration.ofMinutes(2);

    /// Much longer than the tests wait, so that no test passes because a request timed out.
    private static final Duration REQUEST_TIMEOUT = TIMEOUT.multipliedBy(10);

    private final BlockingQueue<InferenceRequest> requests = new LinkedBlockingQueue<>();
    private final BlockingQueue<Metadata> headers = new LinkedBlockingQueue<>();
    private final Semaphore cancelled = new Semaphore(0);
    private Server server;
    private LockstepClient client;

    @BeforeEach
    void connect() throws Exception {
        server =
                NettyServerBuilder.forAddress(
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .addService(
                                ServerInterceptors.intercept(
                                        new FixedService(), new HeaderRecorder()))
                        .build()
                        .start();
        client = LockstepClient.connect("127.0.0.1", server.getPort(), REQUEST_TIMEOUT);
    }

    @AfterEach
    void disconnect() {
        client.close();
        server.shutdownNow();
    }

    @Test
    void emptyFieldsAreNotSent() throws Exception {
        assertEquals("Hi", client.generate(CompletionRequest.prompt("m", "Hello")).text());
        InferenceRequest sent = requests.take();
        assertFalse(sent.hasPriority());
        assertFalse(sent.hasDeadlineMs());
        assertFalse(sent.hasServiceClass());
        assertFalse(sent.hasCacheSalt());
        assertFalse(headers.take().keys().contains("x-lockstep-tenant"));
    }

    @Test
    void optionsAreSent() throws Exception {
        CompletionOptions options =
                CompletionOptions.DEFAULT
                        .withTenant("acme")
                        .withPriority(3)
                        .withDeadline(Duration.ofMinutes(1))
                        .withGuarantee()
                        .withCacheSalt("pepper")
                        .withCachePriority(80)
                        .withCacheTtl(Duration.ofNanos(1));
        client.generate(CompletionRequest.user("m", "Hello").withOptions(options).withMaxTokens(2));
        InferenceRequest sent = requests.take();
        assertEquals(3, sent.getPriority());
        assertEquals(60_000, sent.getDeadlineMs());
        assertEquals("guaranteed", sent.getServiceClass());
        assertEquals("pepper", sent.getCacheSalt());
        assertEquals(80, sent.getCachePriority());
        // 0 would mean no limit.
        assertEquals(1, sent.getCacheTtlMs());
        assertEquals(
                "acme",
                headers.take()
                        .get(
                                Metadata.Key.of(
                                        "x-lockstep-tenant", Metadata.ASCII_STRING_MARSHALLER)));
    }

    @Test
    void anApiKeyIsSentWithEveryRequest() throws Exception {
        Metadata.Key<String> authorization =
                Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
        client.generate(CompletionRequest.prompt("m", "Hello"));
        assertFalse(headers.take().containsKey(authorization));
        try (LockstepClient keyed =
                LockstepClient.connect("127.0.0.1", server.getPort(), REQUEST_TIMEOUT, "sk-1")) {
            keyed.generate(CompletionRequest.prompt("m", "Hello"));
            assertEquals("Bearer sk-1", headers.take().get(authorization));
        }
    }

    @Test
    void embedAsksForTheModelsOwnWayByDefault() throws Exception {
        client.embed(CompletionRequest.prompt("m", "Hello"), "query");
        InferenceRequest sent = requests.take();
        assertEquals("model", sent.getPooling());
        assertEquals("query", sent.getPromptName());
        assertEquals(0, sent.getMaxTokens());
        client.embed(CompletionRequest.prompt("m", "Hello"));
        assertFalse(requests.take().hasPromptName());
    }

    @Test
    void embedRequestsAVectorAndNoTokens() throws Exception {
        assertArrayEquals(
                new float[] {0.5f, -2},
                client.embed(CompletionRequest.prompt("m", "Hello"), Pooling.LAST));
        InferenceRequest sent = requests.take();
        assertEquals("last", sent.getPooling());
        assertTrue(sent.hasMaxTokens());
        assertEquals(0, sent.getMaxTokens());
    }

    @Test
    void promptLogprobsMayArriveInSeveralEvents() throws Exception {
        assertEquals(
                List.of(new TokenLogprob(7, -0.25), new TokenLogprob(9, -4)),
                client.logprobs(CompletionRequest.prompt("m", "Hello")));
        InferenceRequest sent = requests.take();
        assertTrue(sent.hasPromptLogprobs());
        assertEquals(0, sent.getMaxTokens());
    }

    @Test
    void anExceptionOfTheConsumerCancelsTheRequest() throws Exception {
        assertThrows(
                ArithmeticException.class,
                () ->
                        client.stream(
                                CompletionRequest.prompt("m", ENDLESS),
                                _ -> {
                                    throw new ArithmeticException();
                                }));
        assertTrue(cancelled.tryAcquire(TIMEOUT.toSeconds(), TimeUnit.SECONDS));
    }

    @Test
    void aResponseWithoutItsLastEventIsAFailure() {
        LockstepException failure =
                assertThrows(
                        LockstepException.class,
                        () -> client.generate(CompletionRequest.prompt("m", CUT)));
        assertFalse(failure.retryable());
        assertTrue(
                String.valueOf(failure.getMessage()).contains("without its last event"),
                failure::toString);
        CompletionException later =
                assertThrows(
                        CompletionException.class,
                        () -> client.generateAsync(CompletionRequest.prompt("m", CUT)).join());
        assertInstanceOf(LockstepException.class, later.getCause());
        assertThrows(
                LockstepException.class, () -> client.logprobs(CompletionRequest.prompt("m", CUT)));
    }

    @Test
    void onlyAnOverloadedServerMayAcceptTheSameRequestLater() {
        assertTrue(refusal(FULL).retryable());
        assertFalse(refusal(TOO_LARGE).retryable());
    }

    private LockstepException refusal(String prompt) {
        return assertThrows(
                LockstepException.class,
                () -> client.generate(CompletionRequest.prompt("m", prompt)));
    }

    /// Sends the same response to every request: the requested outputs, then one delta.
    private final class FixedService extends InferenceGrpc.InferenceImplBase {
        @Override
        public void generate(InferenceRequest request, StreamObserver<InferenceEvent> out) {
            requests.add(request);
            ((ServerCallStreamObserver<InferenceEvent>) out).setOnCancelHandler(cancelled::release);
            if (request.getPrompt().equals(FULL) || request.getPrompt().equals(TOO_LARGE)) {
                var trailers = new Metadata();
                if (request.getPrompt().equals(FULL)) {
                    trailers.put(
                            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER),
                            "1000");
                }
                out.onError(Status.RESOURCE_EXHAUSTED.asRuntimeException(trailers));
                return;
            }
            if (request.hasPooling()) {
                out.onNext(outputs(PositionOutputs.newBuilder().addPooled(0.5f).addPooled(-2)));
            }
            if (request.hasPromptLogprobs()) {
                out.onNext(outputs(token(7, -0.25f)));
                out.onNext(outputs(token(9, -4)));
            }
            out.onNext(
                    InferenceEvent.newBuilder()
                            .setDelta(InferenceDelta.newBuilder().setText("Hi"))
                            .build());
            if (request.getPrompt().equals(ENDLESS)) {
                return;
            }
            if (request.getPrompt().equals(CUT)) {
                out.onCompleted();
                return;
            }
            out.onNext(
                    InferenceEvent.newBuilder()
                            .setFinished(InferenceFinished.getDefaultInstance())
                            .build());
            out.onCompleted();
        }
    }

    private static PositionOutputs.Builder token(int id, float logprob) {
        return PositionOutputs.newBuilder()
                .addNextTokens(Token.newBuilder().setId(id).setLogprob(logprob));
    }

    private static InferenceEvent outputs(PositionOutputs.Builder outputs) {
        return InferenceEvent.newBuilder()
                .setOutputs(InferenceOutputs.newBuilder().setOutputs(outputs))
                .build();
    }

    private final class HeaderRecorder implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata metadata, ServerCallHandler<Q, A> next) {
            headers.add(metadata);
            return next.startCall(call, metadata);
        }
    }
}
