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

/// A connection to a coordinator; whoever opens it closes it, which cancels what runs.
public final class LockstepClient implements AutoCloseable {
    private static final Metadata.Key<String> TENANT =
            Metadata.Key.of("x-lockstep-tenant", Metadata.ASCII_STRING_MARSHALLER);

    private final ManagedChannel channel;
    private final Duration deadline;
    private final ExecutorService asynchronous = Executors.newVirtualThreadPerTaskExecutor();

    private LockstepClient(ManagedChannel channel, Duration deadline) {
        this.channel = channel;
        this.deadline = deadline;
    }

    /// Connects when it is first used.
    ///
    /// @param deadline how long one request may take in all
    public static LockstepClient connect(String host, int port, Duration deadline) {
        return new LockstepClient(
                NettyChannelBuilder.forAddress(host, port).usePlaintext().build(), deadline);
    }

    /// Names of the models that are served.
    public List<String> models() {
        try {
            return stub()
                    .listModels(ListModelsRequest.getDefaultInstance())
                    .getModelsList()
                    .stream()
                    .map(ModelInfo::getId)
                    .toList();
        } catch (StatusRuntimeException e) {
            throw refused(e);
        }
    }

    /// Waits for the whole answer.
    public CompletionResult generate(CompletionRequest ask) {
        return stream(ask, text -> {});
    }

    /// As [#generate], without waiting. Cancelling the future cancels nothing at the server;
    /// closing the client does.
    public CompletableFuture<CompletionResult> generateAsync(CompletionRequest ask) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return generate(ask);
                    } catch (LockstepException e) {
                        throw new CompletionException(e);
                    }
                },
                asynchronous);
    }

    /// Hands over the text piece by piece, as it comes, on the calling thread. A consumer that
    /// throws cancels the request.
    public CompletionResult stream(CompletionRequest ask, Consumer<String> text) {
        StringBuilder whole = new StringBuilder();
        InferenceEvent last =
                call(
                        ask.options(),
                        toProto(ask).build(),
                        event -> {
                            String piece = event.getDelta().getText();
                            if (!piece.isEmpty()) {
                                whole.append(piece);
                                text.accept(piece);
                            }
                        });
        return answer(whole.toString(), last);
    }

    /// One vector of the input, of the model's hidden size and not normalised; nothing is
    /// generated.
    public float[] embed(CompletionRequest ask, Pooling pooling) {
        List<Float> values = new ArrayList<>();
        call(
                ask.options(),
                toProto(ask).setMaxTokens(0).setPooling(pooling.word()).build(),
                event -> values.addAll(event.getOutputs().getOutputs().getPooledList()));
        float[] vector = new float[values.size()];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = values.get(i);
        }
        return vector;
    }

    /// How likely the model finds each token of the input behind the first; nothing is generated.
    public List<TokenLogprob> logprobs(CompletionRequest ask) {
        List<TokenLogprob> tokens = new ArrayList<>();
        call(
                ask.options(),
                toProto(ask).setMaxTokens(0).setPromptLogprobs(0).build(),
                event -> {
                    for (Token token : event.getOutputs().getOutputs().getNextTokensList()) {
                        tokens.add(new TokenLogprob(token.getId(), token.getLogprob()));
                    }
                });
        return List.copyOf(tokens);
    }

    /// Hands over every event but the last, which it returns.
    private InferenceEvent call(
            CompletionOptions options, InferenceRequest request, Consumer<InferenceEvent> events) {
        try (Context.CancellableContext call = Context.current().withCancellation()) {
            return call.call(
                    () -> {
                        Iterator<InferenceEvent> all = stub(options).generate(request);
                        InferenceEvent event = all.next();
                        while (!event.hasFinished()) {
                            events.accept(event);
                            event = all.next();
                        }
                        return event;
                    });
        } catch (StatusRuntimeException e) {
            throw refused(e);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("nothing else is thrown in a call", e);
        }
    }

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
        Metadata headers = new Metadata();
        if (!options.tenant().isEmpty()) {
            headers.put(TENANT, options.tenant());
        }
        return stub().withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    private static InferenceRequest.Builder toProto(CompletionRequest ask) {
        InferenceRequest.Builder request =
                InferenceRequest.newBuilder().setModel(ask.model()).addAllStop(ask.stop());
        switch (ask.input()) {
            case CompletionRequest.Input.Prompt prompt -> request.setPrompt(prompt.text());
            case CompletionRequest.Input.Chat chat -> {
                ChatMessages.Builder messages = ChatMessages.newBuilder();
                for (CompletionRequest.Message message : chat.messages()) {
                    messages.addMessages(
                            ChatMessage.newBuilder()
                                    .setRole(message.role())
                                    .setContent(message.content()));
                }
                request.setChat(messages);
            }
        }
        ask.maxTokens().ifPresent(request::setMaxTokens);
        ask.temperature().ifPresent(value -> request.setTemperature((float) value));
        ask.seed().ifPresent(request::setSeed);
        addTerms(request, ask.options());
        return request;
    }

    private static void addTerms(InferenceRequest.Builder request, CompletionOptions options) {
        options.priority().ifPresent(request::setPriority);
        options.deadline().ifPresent(time -> request.setDeadlineMs(Math.max(1, time.toMillis())));
        if (options.guaranteed()) {
            request.setServiceClass("guaranteed");
        }
        if (!options.cacheSalt().isEmpty()) {
            request.setCacheSalt(options.cacheSalt());
        }
        options.cachePriority().ifPresent(request::setCachePriority);
        options.cacheTtl().ifPresent(time -> request.setCacheTtlMs(Math.max(1, time.toMillis())));
    }

    private static CompletionResult answer(String text, InferenceEvent last) {
        return new CompletionResult(
                text,
                last.getFinished().getUsage().getPromptTokens(),
                last.getFinished().getUsage().getCompletionTokens(),
                last.getFinished().getReason() == FinishReason.FINISH_REASON_LENGTH);
    }

    private static LockstepException refused(StatusRuntimeException e) {
        String words = e.getStatus().getDescription();
        boolean retryable =
                switch (e.getStatus().getCode()) {
                    case UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED -> true;
                    default -> false;
                };
        return new LockstepException(
                words == null ? e.getStatus().getCode().name() : words, retryable, e);
    }
}
