package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Heartbeat;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import dev.lockstep.proto.v1.WorkerError;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// Speaks gRPC with the group's scheduler and holds the fence: one stream at a time, the one of the
/// highest epoch.
final class WorkerService extends WorkerGrpc.WorkerImplBase {
    /// In the trailers of a refused Join: the highest epoch this worker has seen.
    static final Metadata.Key<String> HIGHEST_EPOCH =
            Metadata.Key.of("lockstep-epoch", Metadata.ASCII_STRING_MARSHALLER);

    private static final Logger log = LogManager.getLogger(WorkerService.class);
    private static final Duration HEARTBEAT = Duration.ofSeconds(1);

    private final Introduction introduction;
    private final StepRunner runner;
    private final LongSupplier progress;
    private final ScheduledExecutorService timer;
    private final Consumer<Boolean> serving;
    private @Nullable Connection current;
    private long highestEpoch;

    /// @param progress ops finished since start
    /// @param serving told true when the group is formed, false when another one begins or its
    ///   stream is gone
    WorkerService(
            Introduction introduction,
            StepRunner runner,
            LongSupplier progress,
            ScheduledExecutorService timer,
            Consumer<Boolean> serving) {
        this.introduction = introduction;
        this.runner = runner;
        this.progress = progress;
        this.timer = timer;
        this.serving = serving;
    }

    @Override
    public StreamObserver<SchedulerMessage> attach(StreamObserver<WorkerMessage> out) {
        return new Connection((ServerCallStreamObserver<WorkerMessage>) out);
    }

    /// Adopts an epoch for a connection, or tells the highest one seen.
    private synchronized Optional<Long> refuse(Join join, Connection connection) {
        if (join.getEpoch() <= highestEpoch) {
            return Optional.of(highestEpoch);
        }
        highestEpoch = join.getEpoch();
        Connection before = current;
        current = connection;
        serving.accept(false);
        if (before != null && before != connection) {
            before.replaced(join.getEpoch());
        }
        return Optional.empty();
    }

    /// Not ready when the stream went away while the group formed.
    private synchronized void ready(Connection connection) {
        if (current == connection) {
            serving.accept(true);
        }
    }

    private synchronized void gone(Connection connection) {
        if (current == connection) {
            current = null;
            runner.abort("the scheduler's stream is gone");
            serving.accept(false);
        }
    }

    /// One scheduler's stream.
    private final class Connection implements StreamObserver<SchedulerMessage>, StepRunner.Replies {
        private final StreamObserver<WorkerMessage> out;
        private final ScheduledFuture<?> heartbeats;
        private boolean open = true;
        private volatile long epoch;

        Connection(ServerCallStreamObserver<WorkerMessage> out) {
            this.out = out;
            // Without a handler, an answer to a stream just cancelled would throw on the step
            // thread.
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
                case JOIN -> join(message.getJoin());
                case FORM -> runner.form(formation(message.getForm()), this);
                case STEP -> step(message.getStep());
                case HEARTBEAT -> {
                    // Its arrival is its meaning.
                }
                case MESSAGE_NOT_SET ->
                        refuse(
                                Status.INVALID_ARGUMENT.withDescription("empty message"),
                                new Metadata());
            }
        }

        private void join(Join join) {
            Optional<String> misfit = introduction.misfit(join);
            if (misfit.isPresent()) {
                refuse(Status.FAILED_PRECONDITION.withDescription(misfit.get()), new Metadata());
                return;
            }
            Optional<Long> highest = WorkerService.this.refuse(join, this);
            if (highest.isPresent()) {
                Metadata trailers = new Metadata();
                trailers.put(HIGHEST_EPOCH, Long.toString(highest.get()));
                refuse(
                        Status.FAILED_PRECONDITION.withDescription(
                                "stale epoch %d: this worker has seen %d"
                                        .formatted(join.getEpoch(), highest.get())),
                        trailers);
                return;
            }
            log.info("joins epoch {} of group {}", join.getEpoch(), join.getGroup());
            epoch = join.getEpoch();
            runner.join(epoch, join.getHashKey().toByteArray(), this);
        }

        private void step(dev.lockstep.proto.v1.Step step) {
            try {
                if (!runner.run(fromProto(step), this)) {
                    failed(step.getEpoch(), step.getNumber(), "too many steps in flight");
                }
            } catch (IllegalArgumentException e) {
                failed(step.getEpoch(), step.getNumber(), e.getMessage() + "");
            }
        }

        @Override
        public void onError(Throwable cause) {
            log.info("the scheduler's stream of epoch {} broke: {}", epoch, cause.getMessage());
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

        /// A higher epoch took over.
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
            send(WorkerMessage.newBuilder().setJoined(introduction.joined(epoch, held)));
        }

        @Override
        public void formed(long epoch, int maxBatchedTokens) {
            ready(this);
            send(
                    WorkerMessage.newBuilder()
                            .setFormed(
                                    Formed.newBuilder()
                                            .setEpoch(epoch)
                                            .setMaxNumBatchedTokens(maxBatchedTokens)
                                            .setInfo(introduction.info())));
        }

        @Override
        public void finished(StepOutcome outcome) {
            send(WorkerMessage.newBuilder().setResult(toProto(outcome)));
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
            send(
                    WorkerMessage.newBuilder()
                            .setHeartbeat(
                                    Heartbeat.newBuilder()
                                            .setEpoch(epoch)
                                            .setLastStep(runner.lastFinished())
                                            .setProgress(progress.getAsLong())));
        }

        private synchronized void send(WorkerMessage.Builder message) {
            if (open) {
                out.onNext(message.build());
            }
        }
    }

    private static StepRunner.Formation formation(Form form) {
        return new StepRunner.Formation(
                form.getEpoch(),
                form.getRendezvous(),
                form.getKvBlocks(),
                form.getMaxNumSeqs(),
                form.getMaxNumBatchedTokens() == 0
                        ? Optional.empty()
                        : Optional.of(form.getMaxNumBatchedTokens()),
                form.getKeepBlocks());
    }

    private static Step fromProto(dev.lockstep.proto.v1.Step step) {
        return new Step(
                step.getEpoch(),
                step.getNumber(),
                integers(step.getReleasedSlotsList()),
                step.getAdmittedList().stream().map(WorkerService::fromProto).toList(),
                step.getCopiesList().stream().map(WorkerService::fromProto).toList(),
                step.getRowsList().stream().map(WorkerService::fromProto).toList());
    }

    private static Step.Admission fromProto(Admission admission) {
        return new Step.Admission(
                admission.getRequestId(),
                admission.getSlot(),
                integers(admission.getPromptIdsList()),
                integers(admission.getOutputIdsList()),
                fromProto(admission.getSampling()),
                admission.getComputed());
    }

    private static Step.Copy fromProto(BlockCopy copy) {
        return new Step.Copy(copy.getKvGroup(), copy.getFrom(), copy.getTo(), copy.getTokens());
    }

    private static Step.Row fromProto(Row row) {
        return new Step.Row(
                row.getSlot(),
                row.getComputed(),
                row.getCount(),
                row.getNewBlocksList().stream()
                        .map(BlockList::getIdsList)
                        .map(WorkerService::integers)
                        .toList(),
                row.getFullHashesList().stream()
                        .map(name -> BlockHash.fromBytes(name.toByteArray()))
                        .toList());
    }

    private static SamplingSettings fromProto(SamplingParams params) {
        Map<Integer, Float> bias = new HashMap<>();
        for (LogitBias entry : params.getLogitBiasList()) {
            bias.put(entry.getTokenId(), entry.getBias());
        }
        return new SamplingSettings(
                params.getTemperature(),
                params.getTopP(),
                params.getTopK(),
                params.getMinP(),
                params.getRepetitionPenalty(),
                params.getFrequencyPenalty(),
                params.getPresencePenalty(),
                bias,
                params.getSeed(),
                params.getChoice(),
                params.getMinTokens(),
                integers(params.getStopTokenIdsList()),
                params.getLogprobs(),
                params.getTopLogprobs());
    }

    private static int[] integers(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    private static StepResult toProto(StepOutcome outcome) {
        StepResult.Builder result =
                StepResult.newBuilder()
                        .setEpoch(outcome.epoch())
                        .setNumber(outcome.number())
                        .setComputeMicros(outcome.computeNanos() / 1000);
        for (StepOutcome.Sampled sampled : outcome.sampled()) {
            Token.Builder token =
                    Token.newBuilder().setId(sampled.id()).setLogprob(sampled.logprob());
            for (int i = 0; i < sampled.topIds().length; i++) {
                token.addTopLogprobs(
                        TopLogprob.newBuilder()
                                .setTokenId(sampled.topIds()[i])
                                .setLogprob(sampled.topLogprobs()[i]));
            }
            result.addSampled(Sampled.newBuilder().setSlot(sampled.slot()).setToken(token));
        }
        return result.build();
    }
}
