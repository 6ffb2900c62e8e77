// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ListModelsRequest;
import dev.lockstep.proto.v1.ModelInfo;
import dev.lockstep.proto.v1.Token;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A connection to a coordinator. Safe for use by any number of threads. The creator closes it,
/// which cancels running requests.
public final class LockstepClient implements AutoCloseable {
    private static final Metadata.Key<String> TENANT =
            Metadata.Key.of("x-lockstep-tenant", Metadata.ASCII_STRING_MARSHALLER);

    /// The time after which the server suggests to retry.
    private static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    /// The value of the request field `pooling` for the model's own way.
    private static final String OF_MODEL = "model";

    private final ManagedChannel channel;
    private final Duration deadline;
    private final ExecutorService asynchronous = Executors.newVirtualThreadPerTaskExecutor();

    private LockstepClient(ManagedChannel channel, Duration deadline) {
        this.channel = channel;
        this.deadline = deadline;
    }

    /// Creates a client that connects, without TLS, at its first request.
    ///
    /// @param deadline total time limit of each request, rounded down to milliseconds; a request
    ///   that exceeds it fails with a [LockstepException]
    public static LockstepClient connect(String host, int port, Duration deadline) {
        return connect(host, port, deadline, "");
    }

    /// Creates a client that sends an API key with its requests; they are not encrypted.
    ///
    /// @param deadline as in [#connect(String, int, Duration)]
    /// @param apiKey empty for a server that needs none
    public static LockstepClient connect(String host, int port, Duration deadline, String apiKey) {
        return new LockstepClient(
                NettyChannelBuilder.forAddress(host, port)
                        .usePlaintext()
                        .intercept(authorization(apiKey))
                        .build(),
                deadline);
    }

    /// Returns what adds an API key to calls.
    ///
    /// @param apiKey empty to add none
    public static ClientInterceptor authorization(String apiKey) {
        var headers = new Metadata();
        if (!apiKey.isEmpty()) {
            headers.put(AUTHORIZATION, "Bearer " + apiKey);
        }
        return MetadataUtils.newAttachHeadersInterceptor(headers);
    }

    /// Returns the names of the served models.
    ///
    /// @throws LockstepException when the server cannot be reached or the deadline passes
    public List<String> models() {
        try {
            return stub()
                    .listModels(ListModelsRequest.getDefaultInstance())
                    .getModelsList()
                    .stream()
                    .map(ModelInfo::getId)
                    .toList();
        } catch (StatusRuntimeException e) {
            throw toException(e);
        }
    }

    /// Generates a completion and returns it when it is finished.
    ///
    /// @throws LockstepException when the server refuses or fails the request, cannot be reached,
    ///   or the deadline passes
    public CompletionResult generate(CompletionRequest request) {
        return stream(request, text -> {});
    }

    /// Starts [#generate] on a thread of this client and returns at once. A failure completes the
    /// future with the [LockstepException]. Cancelling the future does not cancel the request;
    /// closing the client does.
    public CompletableFuture<CompletionResult> generateAsync(CompletionRequest request) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return generate(request);
                    } catch (LockstepException e) {
                        throw new CompletionException(e);
                    }
                },
                asynchronous);
    }

    /// Generates a completion and returns it when it is finished; passes each non-empty piece of
    /// its text to `text` as it arrives, on the calling thread. An exception of `text` cancels the
    /// request and is rethrown.
    ///
    /// @throws LockstepException as [#generate]
    public CompletionResult stream(CompletionRequest request, Consumer<String> text) {
        var whole = new StringBuilder();
        InferenceEvent last =
                call(
                        request.options(),
                        toProto(request).build(),
                        event -> {
                            String piece = event.getDelta().getText();
                            if (!piece.isEmpty()) {
                                whole.append(piece);
                                text.accept(piece);
                            }
                        });
        return result(whole.toString(), last);
    }

    /// Returns the vector of a prompt as the model's files say: its pooling, linear layers, default
    /// prompt, and length 1 if it is normalised; the normalised vector of the last token if they
    /// say nothing. Generates nothing: `maxTokens` is ignored.
    ///
    /// @throws LockstepException as [#generate]
    public float[] embed(CompletionRequest request) {
        return vector(request.options(), toProto(request).setPooling(OF_MODEL));
    }

    /// As [#embed(CompletionRequest)], after a prompt of the model's files, such as `query`.
    ///
    /// @throws LockstepException as [#generate], and when the model has no prompt of that name
    public float[] embed(CompletionRequest request, String promptName) {
        return vector(
                request.options(), toProto(request).setPooling(OF_MODEL).setPromptName(promptName));
    }

    /// Returns one vector of the input, of the model's hidden size and not normalised. Generates
    /// nothing: `maxTokens` is ignored.
    ///
    /// @throws LockstepException as [#generate]
    public float[] embed(CompletionRequest request, Pooling pooling) {
        return vector(request.options(), toProto(request).setPooling(pooling.fieldValue()));
    }

    private float[] vector(CompletionOptions options, InferenceRequest.Builder request) {
        List<Float> values = new ArrayList<>();
        call(
                options,
                request.setMaxTokens(0).build(),
                event -> values.addAll(event.getOutputs().getOutputs().getPooledList()));
        float[] vector = new float[values.size()];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = values.get(i);
        }
        return vector;
    }

    /// Returns the log-probability of each input token after the first, in order. Generates
    /// nothing: `maxTokens` is ignored.
    ///
    /// @throws LockstepException as [#generate]
    public List<TokenLogprob> logprobs(CompletionRequest request) {
        List<TokenLogprob> tokens = new ArrayList<>();
        call(
                request.options(),
                toProto(request).setMaxTokens(0).setPromptLogprobs(0).build(),
                event -> {
                    for (Token token : event.getOutputs().getOutputs().getNextTokensList()) {
                        tokens.add(new TokenLogprob(token.getId(), token.getLogprob()));
                    }
                });
        return List.copyOf(tokens);
    }

    /// Passes every event except the last to `events`, and returns the last.
    private InferenceEvent call(
            CompletionOptions options, InferenceRequest request, Consumer<InferenceEvent> events) {
        try (Context.CancellableContext call = Context.current().withCancellation()) {
            return call.call(
                    () -> {
                        Iterator<InferenceEvent> all = stub(options).generate(request);
                        while (all.hasNext()) {
                            InferenceEvent event = all.next();
                            if (event.hasFinished()) {
                                return event;
                            }
                            events.accept(event);
                        }
                        throw new LockstepException(
                                "the server ended the response without its last event");
                    });
        } catch (StatusRuntimeException e) {
            throw toException(e);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("nothing else is thrown in a call", e);
        }
    }

    /// Cancels running requests and closes the connection. Later requests fail.
    @Override
    public void close() {
        channel.shutdownNow();
        asynchronous.shutdownNow();
    }

    private InferenceGrpc.InferenceBlockingStub stub() {
        return InferenceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(deadline.toMillis(), TimeUnit.MILLISECONDS);
    }

    private InferenceGrpc.InferenceBlockingStub stub(CompletionOptions options) {
        var headers = new Metadata();
        if (!options.tenant().isEmpty()) {
            headers.put(TENANT, options.tenant());
        }
        return stub().withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    private static InferenceRequest.Builder toProto(CompletionRequest request) {
        InferenceRequest.Builder proto =
                InferenceRequest.newBuilder().setModel(request.model()).addAllStop(request.stop());
        switch (request.input()) {
            case CompletionRequest.Input.Prompt prompt -> proto.setPrompt(prompt.text());
            case CompletionRequest.Input.Chat chat -> {
                ChatMessages.Builder messages = ChatMessages.newBuilder();
                for (CompletionRequest.Message message : chat.messages()) {
                    messages.addMessages(
                            ChatMessage.newBuilder()
                                    .setRole(message.role())
                                    .setContent(message.content()));
                }
                proto.setChat(messages);
            }
        }
        request.maxTokens().ifPresent(proto::setMaxTokens);
        request.temperature().ifPresent(value -> proto.setTemperature((float) value));
        request.seed().ifPresent(proto::setSeed);
        addOptions(proto, request.options());
        return proto;
    }

    private static void addOptions(InferenceRequest.Builder proto, CompletionOptions options) {
        options.priority().ifPresent(proto::setPriority);
        // At least 1 ms: the server reads 0 as no limit.
        options.deadline().ifPresent(time -> proto.setDeadlineMs(Math.max(1, time.toMillis())));
        if (options.guaranteed()) {
            proto.setServiceClass("guaranteed");
        }
        if (!options.cacheSalt().isEmpty()) {
            proto.setCacheSalt(options.cacheSalt());
        }
        options.cachePriority().ifPresent(proto::setCachePriority);
        options.cacheTtl().ifPresent(time -> proto.setCacheTtlMs(Math.max(1, time.toMillis())));
    }

    private static CompletionResult result(String text, InferenceEvent last) {
        return new CompletionResult(
                text,
                last.getFinished().getUsage().getPromptTokens(),
                last.getFinished().getUsage().getCompletionTokens(),
                last.getFinished().getReason() == FinishReason.FINISH_REASON_LENGTH);
    }

    private static boolean suggestsRetry(@Nullable Metadata trailers) {
        return trailers != null && trailers.containsKey(RETRY_AFTER_MS);
    }

    private static LockstepException toException(StatusRuntimeException e) {
        String description = e.getStatus().getDescription();
        boolean retryable =
                switch (e.getStatus().getCode()) {
                    case UNAVAILABLE, ABORTED -> true;
                    case RESOURCE_EXHAUSTED -> suggestsRetry(e.getTrailers());
                    default -> false;
                };
        return new LockstepException(
                description == null ? e.getStatus().getCode().name() : description, retryable, e);
    }
}
