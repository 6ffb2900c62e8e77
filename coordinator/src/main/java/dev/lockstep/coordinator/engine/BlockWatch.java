package dev.lockstep.coordinator.engine;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.BlockEvents;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.WatchBlocksRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// Follows what one scheduler's prefix cache holds; all of it belongs to the thread of
/// [SchedulerClient].
///
/// Events come in order and without gaps as long as a stream lasts. When it breaks, the next one
/// goes on behind the last event that was heard, or begins with a snapshot where the scheduler
/// cannot do that. A scheduler that cannot tell is never asked again.
final class BlockWatch {
    private static final Duration FIRST_RETRY = Duration.ofMillis(100);
    private static final Duration LONGEST_RETRY = Duration.ofSeconds(5);
    private static final Logger LOG = LogManager.getLogger(BlockWatch.class);

    private final BlockIndex index = new BlockIndex();
    private final String scheduler;
    private final Executor owner;
    private final Clock clock;

    private String stream = "";
    private long sequence;
    private boolean watching;
    private boolean over;
    private int watchNumber;
    private long retryNanos;
    private Duration backoff = FIRST_RETRY;

    /// @param scheduler as the log names it
    /// @param owner the thread that everything here runs on
    BlockWatch(String scheduler, Executor owner, Clock clock) {
        this.scheduler = scheduler;
        this.owner = owner;
        this.clock = clock;
        this.retryNanos = clock.nanoTime();
    }

    BlockIndex index() {
        return index;
    }

    /// Begins to listen unless it does, and not too soon after it last failed.
    void tick(ManagedChannel channel) {
        if (watching || over || clock.nanoTime() - retryNanos < 0) {
            return;
        }
        watching = true;
        SchedulerGrpc.newStub(channel)
                .watchBlocks(
                        WatchBlocksRequest.newBuilder()
                                .setStream(stream)
                                .setSequence(sequence)
                                .build(),
                        new Watch(++watchNumber));
    }

    /// Hears nothing from now on.
    void close() {
        over = true;
        watchNumber++;
    }

    private void heard(BlockEvents events) {
        if (events.getSnapshot()) {
            index.replace(buffer(events.getStored()));
        } else if (!events.getStream().equals(stream)) {
            throw new IllegalArgumentException(
                    "events of the unknown stream " + events.getStream());
        } else if (events.getSequence() > sequence) {
            index.change(buffer(events.getRemoved()), buffer(events.getStored()));
        }
        stream = events.getStream();
        sequence = events.getSequence();
        backoff = FIRST_RETRY;
    }

    private static ByteBuffer buffer(ByteString names) {
        return names.asReadOnlyByteBuffer();
    }

    private void lost(Status status) {
        watching = false;
        watchNumber++;
        if (neverTells(status)) {
            LOG.info(
                    "{} is routed to by load alone, its blocks are not told: {}",
                    scheduler,
                    status);
            over = true;
            index.clear();
            return;
        }
        LOG.debug("{} tells nothing of its blocks at the moment: {}", scheduler, status);
        retryNanos = clock.nanoTime() + backoff.toNanos();
        Duration doubled = backoff.multipliedBy(2);
        backoff = doubled.compareTo(LONGEST_RETRY) < 0 ? doubled : LONGEST_RETRY;
    }

    /// It does not know the question, or its answer is too large to be read.
    private static boolean neverTells(Status status) {
        return switch (status.getCode()) {
            case UNIMPLEMENTED, RESOURCE_EXHAUSTED -> true;
            default -> false;
        };
    }

    /// One life of the stream; what comes from an earlier one is passed over.
    private final class Watch implements ClientResponseObserver<WatchBlocksRequest, BlockEvents> {
        private final int number;
        private volatile @Nullable ClientCallStreamObserver<WatchBlocksRequest> calls;

        Watch(int number) {
            this.number = number;
        }

        /// One message at a time: a snapshot may have many megabytes.
        @Override
        public void beforeStart(ClientCallStreamObserver<WatchBlocksRequest> requests) {
            requests.disableAutoRequestWithInitial(1);
            calls = requests;
        }

        @Override
        public void onNext(BlockEvents events) {
            inOrder(() -> take(events));
        }

        @Override
        public void onError(Throwable failure) {
            inOrder(() -> lost(Status.fromThrowable(failure)));
        }

        @Override
        public void onCompleted() {
            inOrder(() -> lost(Status.UNAVAILABLE.withDescription("it ended the stream")));
        }

        private void take(BlockEvents events) {
            ClientCallStreamObserver<WatchBlocksRequest> open = calls;
            if (open == null) {
                throw new IllegalStateException("an event came before the call began");
            }
            try {
                heard(events);
                open.request(1);
            } catch (IllegalArgumentException e) {
                LOG.warn("{} tells nonsense of its blocks: {}", scheduler, e.getMessage());
                index.clear();
                stream = "";
                sequence = 0;
                lost(Status.DATA_LOSS);
                open.cancel("nonsense", null);
            }
        }

        private void inOrder(Runnable action) {
            try {
                owner.execute(
                        () -> {
                            if (number == watchNumber && !over) {
                                action.run();
                            }
                        });
            } catch (RejectedExecutionException e) {
                LOG.debug("the coordinator has stopped, nobody needs the news", e);
            }
        }
    }
}
