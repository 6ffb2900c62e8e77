// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.StreamFence;
import dev.lockstep.proto.v1.CanaryResult;
import dev.lockstep.proto.v1.CanaryStep;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Heartbeat;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.WorkerError;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The gRPC service for the group's scheduler and the epoch fence: it serves one stream at a time,
/// that of the highest epoch.
final class WorkerService extends WorkerGrpc.WorkerImplBase {
    /// The trailer of a refused Join with the highest epoch that this worker has seen.
    static final Metadata.Key<String> HIGHEST_EPOCH =
            Metadata.Key.of("lockstep-epoch", Metadata.ASCII_STRING_MARSHALLER);

    private static final Logger LOG = LogManager.getLogger(WorkerService.class);
    private static final Duration HEARTBEAT = Duration.ofSeconds(1);

    private final JoinReply joinReply;
    private final EpochBound bound;
    private final StepRunner runner;
    private final Optional<Constraints> constraints;
    private final LongSupplier progress;
    private final ScheduledExecutorService timer;
    private final Consumer<Boolean> serving;
    private final StreamFence<Connection> fence = new StreamFence<>();

    /// Creates a service without a stream.
    ///
    /// @param bound of epochs
    /// @param constraints of a rank that samples
    /// @param progress number of ops finished since the start
    /// @param serving receives true when a group is formed, false when another one joins or the
    ///   stream ends
    WorkerService(
            JoinReply joinReply,
            EpochBound bound,
            StepRunner runner,
            Optional<Constraints> constraints,
            LongSupplier progress,
            ScheduledExecutorService timer,
            Consumer<Boolean> serving) {
        this.joinReply = joinReply;
        this.bound = bound;
        this.runner = runner;
        this.constraints = constraints;
        this.progress = progress;
        this.timer = timer;
        this.serving = serving;
    }

    @Override
    public StreamObserver<SchedulerMessage> attach(StreamObserver<WorkerMessage> out) {
        return new Connection((ServerCallStreamObserver<WorkerMessage>) out);
    }

    /// Tells the scheduler that this worker leaves, unlike one that fails.
    void leave() {
        Optional<Connection> connection;
        synchronized (this) {
            connection = fence.current();
        }
        connection.ifPresent(
                current ->
                        current.refuse(
                                Status.ABORTED.withDescription("this worker stops"),
                                new Metadata()));
    }

    synchronized long highestEpoch() {
        return fence.highestEpoch();
    }

    /// Adopts an epoch for a connection, or returns the highest epoch seen. A stream that has ended
    /// meanwhile is refused too; it hears nothing.
    private synchronized Optional<Long> refuse(Join join, Connection connection) {
        Optional<Connection> previous = fence.current();
        if (!connection.isOpen() || !fence.adopt(join.getEpoch(), connection)) {
            return Optional.of(fence.highestEpoch());
        }
        serving.accept(false);
        previous.filter(other -> other != connection)
                .ifPresent(other -> other.replaced(join.getEpoch()));
        return Optional.empty();
    }

    /// Announces a formed group, unless its stream has ended or was replaced meanwhile.
    private synchronized void ready(Connection connection) {
        if (fence.admits(connection)) {
            serving.accept(true);
        }
    }

    private synchronized void gone(Connection connection) {
        if (fence.release(connection)) {
            runner.abort("the scheduler's stream has ended");
            serving.accept(false);
        }
    }

    /// One scheduler's stream. The event loop calls it, so it must not block.
    private final class Connection implements StreamObserver<SchedulerMessage>, StepRunner.Replies {
        private final StreamObserver<WorkerMessage> out;
        private final ScheduledFuture<?> heartbeats;
        private boolean open = true;
        private volatile long epoch;

        Connection(ServerCallStreamObserver<WorkerMessage> out) {
            this.out = out;
            // Without a handler, a reply to a stream that was just cancelled would throw on the
            // step thread.
            out.setOnCancelHandler(this::end);
            this.heartbeats =
                    timer.scheduleAtFixedRate(
                            this::beat,
                            HEARTBEAT.toMillis(),
                            HEARTBEAT.toMillis(),
                            TimeUnit.MILLISECONDS);
        }

        @Override
        public void onNext(SchedulerMessage message) {
            switch (message.getMessageCase()) {
                case JOIN -> Thread.startVirtualThread(() -> joinOrRefuse(message.getJoin()));
                case FORM -> form(StepMessages.formation(message.getForm()));
                case STEP -> step(message.getStep());
                case CANARY -> canary(message.getCanary());
                case HEARTBEAT -> {
                    // Needs no answer.
                }
                case MESSAGE_NOT_SET ->
                        refuse(
                                Status.INVALID_ARGUMENT.withDescription("empty message"),
                                new Metadata());
            }
        }

        /// Asks ZooKeeper, so the event loop does not run it. The scheduler sends nothing more
        /// before the reply.
        private void joinOrRefuse(Join join) {
            try {
                join(join);
            } catch (RuntimeException e) {
                LOG.error("a Join of group {} failed", join.getGroup(), e);
                refuse(Status.INTERNAL.withDescription(e.getMessage()), new Metadata());
            }
        }

        private void join(Join join) {
            Optional<String> misfit = joinReply.misfit(join);
            if (misfit.isPresent()) {
                refuse(Status.FAILED_PRECONDITION.withDescription(misfit.get()), new Metadata());
                return;
            }
            long seen = highestEpoch();
            // A stale epoch is refused below, naming the highest one.
            Optional<String> unknown =
                    join.getEpoch() > seen
                            ? bound.refusal(join.getEpoch(), seen)
                            : Optional.empty();
            if (unknown.isPresent()) {
                LOG.warn("refused a Join of group {}: {}", join.getGroup(), unknown.get());
                // A leader that took the epoch without ZooKeeper takes its next one through it.
                refuse(Status.UNAVAILABLE.withDescription(unknown.get()), new Metadata());
                return;
            }
            Optional<Long> highest = WorkerService.this.refuse(join, this);
            if (highest.isPresent()) {
                var trailers = new Metadata();
                trailers.put(HIGHEST_EPOCH, Long.toString(highest.get()));
                refuse(
                        Status.FAILED_PRECONDITION.withDescription(
                                "stale epoch %d: this worker has seen %d"
                                        .formatted(join.getEpoch(), highest.get())),
                        trailers);
                return;
            }
            if (!join.getExpelled().isEmpty()) {
                LOG.error("epoch {} takes this rank out: {}", join.getEpoch(), join.getExpelled());
                refuse(Status.ABORTED.withDescription("is taken out of the group"), new Metadata());
                runner.expel(join.getExpelled());
                return;
            }
            LOG.info("joins epoch {} of group {}", join.getEpoch(), join.getGroup());
            epoch = join.getEpoch();
            runner.join(epoch, join.getHashKey().toByteArray(), this);
        }

        private void form(StepRunner.Formation formation) {
            if (!runner.form(formation, this)) {
                failed(formation.epoch(), 0, "too many commands are waiting");
            }
        }

        private void step(dev.lockstep.proto.v1.Step step) {
            try {
                if (!runner.run(StepMessages.fromProto(step, constraints), this)) {
                    failed(step.getEpoch(), step.getNumber(), "too many steps in flight");
                }
            } catch (IllegalArgumentException e) {
                failed(step.getEpoch(), step.getNumber(), e.getMessage() + "");
            }
        }

        private void canary(CanaryStep canary) {
            if (!runner.canary(canary.getEpoch(), canary.getNumber(), this)) {
                failed(canary.getEpoch(), canary.getNumber(), "too many steps in flight");
            }
        }

        @Override
        public void onError(Throwable cause) {
            LOG.info("the scheduler's stream of epoch {} broke: {}", epoch, cause.getMessage());
            end();
        }

        @Override
        public void onCompleted() {
            synchronized (this) {
                if (open) {
                    out.onCompleted();
                }
            }
            end();
        }

        /// Ends the stream because a higher epoch has replaced it.
        void replaced(long byEpoch) {
            refuse(
                    Status.ABORTED.withDescription("epoch %d took over".formatted(byEpoch)),
                    new Metadata());
        }

        private void end() {
            synchronized (this) {
                open = false;
            }
            heartbeats.cancel(false);
            gone(this);
        }

        private void refuse(Status status, Metadata trailers) {
            synchronized (this) {
                if (open) {
                    open = false;
                    out.onError(status.asRuntimeException(trailers));
                }
            }
            heartbeats.cancel(false);
            gone(this);
        }

        @Override
        public void joined(long epoch, HeldBlocks held) {
            send(WorkerMessage.newBuilder().setJoined(joinReply.joined(epoch, held)));
        }

        @Override
        public void formed(long epoch, StepBudget budget, CanaryOutcome canary) {
            ready(this);
            send(
                    WorkerMessage.newBuilder()
                            .setFormed(
                                    Formed.newBuilder()
                                            .setEpoch(epoch)
                                            .setMaxNumBatchedTokens(budget.tokens())
                                            .setDoublingPosition(budget.doublingPosition())
                                            .setStepTokenLimit(budget.limit())
                                            .setCanary(StepMessages.toProto(canary))
                                            .setCanaryRepeats(runner.repeatsBits())
                                            .setInfo(joinReply.info())));
        }

        @Override
        public void canary(long epoch, long number, CanaryOutcome canary) {
            send(
                    WorkerMessage.newBuilder()
                            .setCanary(
                                    CanaryResult.newBuilder()
                                            .setEpoch(epoch)
                                            .setNumber(number)
                                            .setCanary(StepMessages.toProto(canary))));
        }

        @Override
        public void finished(StepOutcome outcome) {
            send(WorkerMessage.newBuilder().setResult(StepMessages.toProto(outcome)));
        }

        @Override
        public void failed(long epoch, long number, String message) {
            send(
                    WorkerMessage.newBuilder()
                            .setError(
                                    WorkerError.newBuilder()
                                            .setEpoch(epoch)
                                            .setNumber(number)
                                            .setMessage(message)));
        }

        private void beat() {
            try {
                send(
                        WorkerMessage.newBuilder()
                                .setHeartbeat(
                                        Heartbeat.newBuilder()
                                                .setEpoch(epoch)
                                                .setLastStep(runner.lastFinished())
                                                .setProgress(progress.getAsLong())));
            } catch (RuntimeException e) {
                // A task that throws is never scheduled again, and the scheduler would see silence.
                LOG.error("a heartbeat of epoch {} failed", epoch, e);
            }
        }

        private synchronized boolean isOpen() {
            return open;
        }

        private synchronized void send(WorkerMessage.Builder message) {
            if (open) {
                out.onNext(message.build());
            }
        }
    }
}
