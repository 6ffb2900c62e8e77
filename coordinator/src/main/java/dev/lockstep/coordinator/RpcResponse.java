// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.InferenceDelta;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceFinished;
import dev.lockstep.proto.v1.InferenceOutputs;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.text.tools.AnswerEvent;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/// A response as a gRPC stream. The end of the last choice carries the usage, so it is held back
/// until the response is complete: the last by number, which is the same in every run, so that a
/// client that comes back gets no end twice.
final class RpcResponse implements ResponseSink {
    /// The trailer with the id of a response that ended and may be asked for elsewhere.
    private static final Metadata.Key<String> RESPONSE_ID =
            Metadata.Key.of("lockstep-response-id", Metadata.ASCII_STRING_MARSHALLER);

    private final ServerCallStreamObserver<InferenceEvent> out;
    private final Duration slowClient;
    private String id = "";
    private Optional<StreamPlace> place = Optional.empty();
    private UnaryOperator<PositionOutputs> form = UnaryOperator.identity();
    private boolean named;
    private int lastChoice;
    private Optional<InferenceFinished> last = Optional.empty();
    private boolean closed;
    private int status = 200;

    RpcResponse(ServerCallStreamObserver<InferenceEvent> out, Duration slowClient) {
        this.out = out;
        this.slowClient = slowClient;
        out.setOnReadyHandler(this::wake);
    }

    /// Runs `action` as soon as the client disconnects.
    void onDisconnect(Runnable action) {
        out.setOnCancelHandler(
                () -> {
                    action.run();
                    wake();
                });
    }

    RpcResponse begin(PreparedRequest request) {
        id = request.id();
        lastChoice = request.choices() - 1;
        StreamPlace begun = StreamPlace.of(request);
        for (int choice = 0; choice <= lastChoice; choice++) {
            begun.open(choice);
        }
        place = Optional.of(begun);
        return this;
    }

    /// As the other one, with another form of the outputs.
    RpcResponse begin(PreparedRequest request, UnaryOperator<PositionOutputs> outputs) {
        form = outputs;
        return begin(request);
    }

    @Override
    public void at(int position, boolean whole) {
        place().at(position, whole);
    }

    private StreamPlace place() {
        return place.orElseThrow();
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {
        send(
                InferenceEvent.newBuilder()
                        .setOutputs(
                                InferenceOutputs.newBuilder()
                                        .setChoice(choice)
                                        .setOutputs(form.apply(outputs)))
                        .build());
    }

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        List<InferenceDelta.Builder> parts = new ArrayList<>();
        for (AnswerEvent event : delta.events()) {
            RpcParts.of(event).ifPresent(parts::add);
        }
        if (parts.isEmpty()) {
            parts.add(InferenceDelta.newBuilder());
        }
        delta.tokens().forEach(shown -> parts.getFirst().addTokens(shown.token().toProto()));
        for (int i = 0; i < parts.size(); i++) {
            if (!place().count(choice, i == parts.size() - 1)) {
                InferenceDelta.Builder part = parts.get(i).setChoice(choice);
                send(InferenceEvent.newBuilder().setDelta(part).setPlace(place().id()).build());
            }
        }
    }

    @Override
    public void finished(int choice, Finish finish, TokenUsage usage) {
        String stop =
                finish.stopToken().isPresent()
                        ? Integer.toString(finish.stopToken().getAsInt())
                        : finish.stopText();
        InferenceFinished proto =
                InferenceFinished.newBuilder()
                        .setChoice(choice)
                        .setReason(
                                switch (finish.reason()) {
                                    case STOP -> FinishReason.FINISH_REASON_STOP;
                                    case LENGTH -> FinishReason.FINISH_REASON_LENGTH;
                                    case TOOL_CALLS -> FinishReason.FINISH_REASON_TOOL_CALLS;
                                })
                        .setStop(stop)
                        .build();
        boolean has = place().count(choice, true);
        if (choice == lastChoice) {
            last = place().hasEnd() ? Optional.empty() : Optional.of(proto);
        } else if (!has) {
            send(InferenceEvent.newBuilder().setFinished(proto).setPlace(place().id()).build());
        }
    }

    /// Does nothing: the transport keeps its connections alive.
    @Override
    public void quiet() {}

    @Override
    public void completed(TokenUsage usage) {
        last.ifPresent(
                proto ->
                        send(
                                InferenceEvent.newBuilder()
                                        .setFinished(proto.toBuilder().setUsage(usage.toProto()))
                                        .setPlace(place().endId())
                                        .build()));
        if (!closed && !out.isCancelled()) {
            closed = true;
            out.onCompleted();
        }
    }

    /// Returns the status that the HTTP API would have sent.
    int status() {
        return status;
    }

    @Override
    public void failed(ApiError error) {
        status = error.status();
        if (!closed && !out.isCancelled()) {
            closed = true;
            out.onError(status(error));
        }
    }

    static StatusRuntimeException status(ApiError error) {
        Status status =
                switch (error.status()) {
                    case 400, 422 -> Status.INVALID_ARGUMENT;
                    case 409 -> Status.ABORTED;
                    case 404 -> Status.NOT_FOUND;
                    case 413, 429 -> Status.RESOURCE_EXHAUSTED;
                    case 504 -> Status.DEADLINE_EXCEEDED;
                    case 503 ->
                            error.code().equals("group_lost") ? Status.ABORTED : Status.UNAVAILABLE;
                    default -> Status.INTERNAL;
                };
        var trailers = new Metadata();
        if (!error.retryAfter().isZero()) {
            trailers.put(
                    SchedulerCall.RETRY_AFTER_MS, Long.toString(error.retryAfter().toMillis()));
        }
        if (!error.responseId().isEmpty()) {
            trailers.put(RESPONSE_ID, error.responseId());
        }
        return status.withDescription(error.message()).asRuntimeException(trailers);
    }

    /// Sends an event; blocks while the transport's buffer is full.
    private void send(InferenceEvent event) {
        long deadline = System.nanoTime() + slowClient.toNanos();
        synchronized (this) {
            while (!out.isReady() && !out.isCancelled()) {
                long left = (deadline - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    throw ApiError.slowReader();
                }
                await(left);
            }
        }
        if (!out.isCancelled()) {
            out.onNext(named ? event : event.toBuilder().setId(id).build());
            named = true;
        }
    }

    private void await(long milliseconds) {
        try {
            synchronized (this) {
                TimeUnit.MILLISECONDS.timedWait(this, milliseconds);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiError.internal("the request was interrupted");
        }
    }

    private synchronized void wake() {
        notifyAll();
    }
}
