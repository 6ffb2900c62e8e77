// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.proto.v1.EncodedOutputs;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.Token;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// One `Generate` or `Attach` call, which adds its events to an inbox.
///
/// Only [#next] requests a further event, so that a slow client holds back the scheduler, which
/// bounds what it buffers. Callbacks run on the transport's thread.
public final class SchedulerCall {
    public static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    /// The beginning of the transport's description of a stream that ended without a status from
    /// the scheduler, because that stops. The code is the one that the scheduler itself uses for
    /// slow readers.
    private static final String STREAM_RESET = "RST_STREAM";

    /// Events requested in advance: one in transit while one is processed.
    private static final int PREFETCH = 2;

    /// The same once tokens arrive, whose events are small.
    private static final int PREFETCH_OF_TOKENS = 16;

    private final int index;
    private final String request;
    private final CompletionInbox inbox;
    private final String scheduler;
    private volatile @Nullable ClientCallStreamObserver<?> stream;
    private volatile boolean abandoned;
    private volatile CallFacts.Phase phase = CallFacts.Phase.SENT;
    private final AtomicInteger tokensArrived = new AtomicInteger();

    /// Events that are requested and not processed; guarded by this.
    private int ahead = PREFETCH;

    /// @param index the index of its prompt in the completion
    /// @param request its id
    /// @param scheduler the id of the called scheduler
    SchedulerCall(int index, String request, CompletionInbox inbox, String scheduler) {
        this.index = index;
        this.request = request;
        this.inbox = inbox;
        this.scheduler = scheduler;
    }

    public String scheduler() {
        return scheduler;
    }

    CallFacts facts() {
        CallFacts.Phase now = abandoned ? CallFacts.Phase.ABANDONED : phase;
        return new CallFacts(request, scheduler, now, tokensArrived.get());
    }

    /// Notes that an event was processed, and requests further ones when half of those requested in
    /// advance have been: each request wakes the transport's thread.
    public synchronized void next() {
        ClientCallStreamObserver<?> open = stream;
        if (open == null) {
            return;
        }
        ahead--;
        int prefetch = tokensArrived.get() > 0 ? PREFETCH_OF_TOKENS : PREFETCH;
        if (ahead <= prefetch / 2) {
            open.request(prefetch - ahead);
            ahead = prefetch;
        }
    }

    /// Cancels the request in the engine because it goes on elsewhere: the completion gets no more
    /// events of this call, those that have arrived included.
    public void abandon() {
        abandoned = true;
        cancel();
    }

    boolean isAbandoned() {
        return abandoned;
    }

    /// Cancels the request in the engine; no effect once it has ended.
    public void cancel() {
        ClientCallStreamObserver<?> open = stream;
        if (open != null) {
            open.cancel("the completion is over", null);
        }
    }

    /// Returns the receiver of the call's events.
    <T> ClientResponseObserver<T, GenerateEvent> observer() {
        return new ClientResponseObserver<>() {
            @Override
            public void beforeStart(ClientCallStreamObserver<T> requests) {
                requests.disableAutoRequestWithInitial(PREFETCH);
                stream = requests;
            }

            @Override
            public void onNext(GenerateEvent event) {
                next(event);
            }

            @Override
            public void onError(Throwable failure) {
                phase = CallFacts.Phase.ENDED;
                put(new EngineEvent.Failed(index, toFailure(failure)));
            }

            @Override
            public void onCompleted() {
                phase = CallFacts.Phase.ENDED;
                put(new EngineEvent.Ended(index));
            }
        };
    }

    private void put(EngineEvent event) {
        inbox.put(this, event);
    }

    private void next(GenerateEvent event) {
        try {
            deliver(event);
        } catch (InvalidProtocolBufferException e) {
            cancel();
            put(
                    new EngineEvent.Failed(
                            index,
                            new Failure(
                                    Failure.Kind.BROKEN,
                                    "its outputs cannot be read",
                                    Duration.ZERO)));
        }
    }

    private void deliver(GenerateEvent event) throws InvalidProtocolBufferException {
        switch (event.getEventCase()) {
            case ACCEPTED -> {
                phase = CallFacts.Phase.ACCEPTED;
                put(new EngineEvent.Accepted(index));
            }
            case TOKENS -> {
                GenerateEvent.Tokens tokens = event.getTokens();
                tokensArrived.addAndGet(tokens.getIdsCount());
                put(EngineEvent.Tokens.fromProto(index, tokens));
            }
            case FINISHED -> put(EngineEvent.Finished.fromProto(index, event.getFinished()));
            case OUTPUTS -> {
                GenerateEvent.Outputs outputs = event.getOutputs();
                put(
                        new EngineEvent.Outputs(
                                index, outputs.getChoice(), decoded(outputs.getOutputs())));
            }
            // An event that only a newer scheduler sends: ignored.
            case EVENT_NOT_SET -> next();
        }
    }

    private static PositionOutputs decoded(EncodedOutputs outputs)
            throws InvalidProtocolBufferException {
        PositionOutputs.Builder decoded =
                PositionOutputs.newBuilder()
                        .setPosition(outputs.getPosition())
                        .setHiddenSize(outputs.getHiddenSize());
        for (ByteString token : outputs.getNextTokensList()) {
            decoded.addNextTokens(Token.parseFrom(token));
        }
        for (ByteString state : outputs.getHiddenStatesList()) {
            FloatBuffer values = floats(state);
            while (values.hasRemaining()) {
                decoded.addHiddenStates(values.get());
            }
        }
        FloatBuffer pooled = floats(outputs.getPooled());
        while (pooled.hasRemaining()) {
            decoded.addPooled(pooled.get());
        }
        return decoded.build();
    }

    private static FloatBuffer floats(ByteString bytes) throws InvalidProtocolBufferException {
        if (bytes.size() % Float.BYTES != 0) {
            throw new InvalidProtocolBufferException(bytes.size() + " bytes are not floats");
        }
        return bytes.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
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
                    // A request that is not kept any more.
                    case UNAVAILABLE, NOT_FOUND -> Failure.Kind.UNAVAILABLE;
                    case ALREADY_EXISTS -> Failure.Kind.TAKEN;
                    case FAILED_PRECONDITION -> Failure.Kind.NOT_LEADER;
                    case INVALID_ARGUMENT -> Failure.Kind.INVALID;
                    case ABORTED -> Failure.Kind.POISONED;
                    case CANCELLED ->
                            description.startsWith(STREAM_RESET)
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
