// SPDX-License-Identifier: Apache-2.0
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

/// Follows the contents of one scheduler's prefix cache; confined to the thread of
/// [SchedulerClient].
///
/// Events arrive in order and without gaps while a stream lasts. When it breaks, the next stream
/// resumes after the last received event, or begins with a snapshot where the scheduler cannot
/// resume. A scheduler that cannot report its blocks is not asked again, and one that has no room
/// for it a minute later.
final class BlockWatch {
    private static final Duration FIRST_RETRY = Duration.ofMillis(100);
    private static final Duration MAX_RETRY = Duration.ofSeconds(5);
    private static final Duration EXHAUSTED_RETRY = Duration.ofMinutes(1);
    private static final Logger LOG = LogManager.getLogger(BlockWatch.class);

    private final BlockIndex index = new BlockIndex();
    private final String scheduler;
    private final Executor owner;
    private final Clock clock;

    private String stream = "";
    private long sequence;
    private boolean watching;
    private boolean ended;
    private int watchNumber;
    private long retryNanos;
    private Duration backoff = FIRST_RETRY;

    /// @param scheduler its name in the log
    /// @param owner the thread that runs all callbacks
    BlockWatch(String scheduler, Executor owner, Clock clock) {
        this.scheduler = scheduler;
        this.owner = owner;
        this.clock = clock;
        this.retryNanos = clock.nanoTime();
    }

    BlockIndex index() {
        return index;
    }

    /// Opens a stream unless one is open or the delay after the last failure has not passed.
    void tick(ManagedChannel channel) {
        if (watching || ended || clock.nanoTime() - retryNanos < 0) {
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

    /// Drops all further events.
    void close() {
        ended = true;
        watchNumber++;
    }

    private void apply(BlockEvents events) {
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

    private void streamEnded(Status status) {
        watching = false;
        watchNumber++;
        if (status.getCode() == Status.Code.UNIMPLEMENTED) {
            LOG.info(
                    "requests are routed to {} by load alone, it does not report its blocks: {}",
                    scheduler,
                    status);
            ended = true;
            index.clear();
            return;
        }
        if (status.getCode() == Status.Code.RESOURCE_EXHAUSTED) {
            // Its snapshot is too large to read now, or it has no room for a stream.
            LOG.info(
                    "requests are routed to {} by load alone for {} s: {}",
                    scheduler,
                    EXHAUSTED_RETRY.toSeconds(),
                    status);
            index.clear();
            stream = "";
            sequence = 0;
            retryNanos = clock.nanoTime() + EXHAUSTED_RETRY.toNanos();
            return;
        }
        LOG.debug("the block events of {} ended: {}", scheduler, status);
        retryNanos = clock.nanoTime() + backoff.toNanos();
        Duration doubled = backoff.multipliedBy(2);
        backoff = doubled.compareTo(MAX_RETRY) < 0 ? doubled : MAX_RETRY;
    }

    /// One stream; events of earlier streams are ignored.
    private final class Watch implements ClientResponseObserver<WatchBlocksRequest, BlockEvents> {
        private final int number;
        private volatile @Nullable ClientCallStreamObserver<WatchBlocksRequest> call;

        Watch(int number) {
            this.number = number;
        }

        /// Requests one message at a time: a snapshot may have many megabytes.
        @Override
        public void beforeStart(ClientCallStreamObserver<WatchBlocksRequest> requests) {
            requests.disableAutoRequestWithInitial(1);
            call = requests;
        }

        @Override
        public void onNext(BlockEvents events) {
            runOnOwner(() -> receive(events));
        }

        @Override
        public void onError(Throwable failure) {
            runOnOwner(() -> streamEnded(Status.fromThrowable(failure)));
        }

        @Override
        public void onCompleted() {
            runOnOwner(
                    () ->
                            streamEnded(
                                    Status.UNAVAILABLE.withDescription(
                                            "the scheduler ended the stream")));
        }

        private void receive(BlockEvents events) {
            ClientCallStreamObserver<WatchBlocksRequest> open = call;
            if (open == null) {
                throw new IllegalStateException("an event arrived before the call started");
            }
            try {
                apply(events);
                open.request(1);
            } catch (IllegalArgumentException e) {
                LOG.warn("{} sends invalid block events: {}", scheduler, e.getMessage());
                index.clear();
                stream = "";
                sequence = 0;
                streamEnded(Status.DATA_LOSS);
                open.cancel("invalid block events", null);
            }
        }

        private void runOnOwner(Runnable action) {
            try {
                owner.execute(
                        () -> {
                            if (number == watchNumber && !ended) {
                                action.run();
                            }
                        });
            } catch (RejectedExecutionException e) {
                LOG.debug("the coordinator has stopped, the event is dropped", e);
            }
        }
    }
}
