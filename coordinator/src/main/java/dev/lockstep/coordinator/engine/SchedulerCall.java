package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.GenerateRequest;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// One `Generate` call: hands what comes to an inbox, one event at a time.
///
/// The next event is only asked for by [#next], so that a slow client holds back the scheduler,
/// which bounds what it keeps. Its callbacks run on the transport's thread.
public final class SchedulerCall implements ClientResponseObserver<GenerateRequest, GenerateEvent> {
    public static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    /// How the transport begins to say that a stream ended without a word from the scheduler: it
    /// stops. The code is the same as the scheduler's own.
    private static final String STREAM_CUT = "RST_STREAM";

    /// One on its way while one is looked at.
    private static final int AHEAD = 2;

    private final int index;
    private final CompletionInbox inbox;
    private final String scheduler;
    private volatile @Nullable ClientCallStreamObserver<GenerateRequest> stream;

    /// @param index which prompt of the completion it is for
    /// @param scheduler the id of the one that is called
    SchedulerCall(int index, CompletionInbox inbox, String scheduler) {
        this.index = index;
        this.inbox = inbox;
        this.scheduler = scheduler;
    }

    public String scheduler() {
        return scheduler;
    }

    /// Lets the next event come.
    public void next() {
        ClientCallStreamObserver<GenerateRequest> open = stream;
        if (open != null) {
            open.request(1);
        }
    }

    /// Ends the request in the engine; harmless when it has ended.
    public void cancel() {
        ClientCallStreamObserver<GenerateRequest> open = stream;
        if (open != null) {
            open.cancel("the completion is over", null);
        }
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<GenerateRequest> requests) {
        requests.disableAutoRequestWithInitial(AHEAD);
        stream = requests;
    }

    @Override
    public void onNext(GenerateEvent event) {
        switch (event.getEventCase()) {
            case TOKENS -> {
                GenerateEvent.Tokens tokens = event.getTokens();
                inbox.put(
                        new EngineEvent.Tokens(
                                index,
                                tokens.getChoice(),
                                tokens.getTokensList().stream()
                                        .map(GeneratedToken::fromProto)
                                        .toList(),
                                tokens.getCachedTokens()));
            }
            case FINISHED -> {
                GenerateEvent.Finished finished = event.getFinished();
                inbox.put(
                        new EngineEvent.Finished(
                                index,
                                finished.getChoice(),
                                finished.getReason() == FinishReason.FINISH_REASON_STOP,
                                finished.getStopTokenId(),
                                finished.getUsage().getCachedTokens()));
            }
            case OUTPUTS -> {
                GenerateEvent.Outputs outputs = event.getOutputs();
                inbox.put(
                        new EngineEvent.Outputs(index, outputs.getChoice(), outputs.getOutputs()));
            }
            // An event of a newer scheduler; it says nothing that is understood here.
            case EVENT_NOT_SET -> next();
        }
    }

    @Override
    public void onError(Throwable failure) {
        inbox.put(new EngineEvent.Failed(index, toFailure(failure)));
    }

    @Override
    public void onCompleted() {
        inbox.put(new EngineEvent.Ended(index));
    }

    private static Failure toFailure(Throwable thrown) {
        Status status = Status.fromThrowable(thrown);
        Metadata trailers = Status.trailersFromThrowable(thrown);
        String description =
                status.getDescription() == null
                        ? status.getCode().name()
                        : String.valueOf(status.getDescription());
        Failure.Kind kind =
                switch (status.getCode()) {
                    case RESOURCE_EXHAUSTED -> Failure.Kind.OVERLOADED;
                    case DEADLINE_EXCEEDED -> Failure.Kind.EXPIRED;
                    case UNAVAILABLE -> Failure.Kind.UNAVAILABLE;
                    case FAILED_PRECONDITION -> Failure.Kind.NOT_LEADER;
                    case INVALID_ARGUMENT -> Failure.Kind.INVALID;
                    case ABORTED -> Failure.Kind.GROUP_LOST;
                    case CANCELLED ->
                            description.startsWith(STREAM_CUT)
                                    ? Failure.Kind.UNAVAILABLE
                                    : Failure.Kind.SLOW_READER;
                    default -> Failure.Kind.BROKEN;
                };
        return new Failure(kind, description, retryAfter(trailers));
    }

    private static Duration retryAfter(@Nullable Metadata trailers) {
        String text = trailers == null ? null : trailers.get(RETRY_AFTER_MS);
        if (text == null || !text.matches("\\d{1,9}")) {
            return Duration.ZERO;
        }
        return Duration.ofMillis(Long.parseLong(text));
    }
}
