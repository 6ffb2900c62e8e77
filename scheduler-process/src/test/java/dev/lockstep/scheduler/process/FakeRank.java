// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.WorkerProtocol;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.Canary;
import dev.lockstep.proto.v1.CanaryResult;
import dev.lockstep.proto.v1.CanaryStep;
import dev.lockstep.proto.v1.EncodedOutputs;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Heartbeat;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.RankInfo;
import dev.lockstep.proto.v1.RefusedSlot;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.SlotOutputs;
import dev.lockstep.proto.v1.Step;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.GroupShape;
import dev.lockstep.scheduler.KvGroupShape;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.PositionOutputs;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.WantedOutputs;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A [FakeWorker] with the worker protocol. It answers at once unless it holds its answers, and
/// refuses a `top_p` above 1.
final class FakeRank extends WorkerGrpc.WorkerImplBase {
    static final int BLOCKS = 33;
    static final int BLOCK_SIZE = 4;
    static final int CONTEXT = 120;

    final Member member;
    private final UnaryOperator<Joined.Builder> traits;
    private final Map<Integer, Sequence> sequences = new HashMap<>();
    private final ArrayDeque<Step> held = new ArrayDeque<>();
    private @Nullable StreamObserver<WorkerMessage> out;
    private @Nullable FakeWorker worker;
    private long highestEpoch;
    private long progress;
    private int joins;
    private boolean holding;
    private boolean stalled;
    private boolean silent;
    private Canary canary = Canary.newBuilder().setToken(7).setChecksum(11).build();
    private OptionalInt checksum = OptionalInt.empty();
    private String expelled = "";
    private List<Integer> poison = List.of();
    private Consumer<dev.lockstep.proto.v1.StepResult.Builder> distortion = _ -> {};

    FakeRank(Member member, UnaryOperator<Joined.Builder> traits) {
        this.member = member;
        this.traits = traits;
    }

    synchronized void sawEpoch(long epoch) {
        highestEpoch = epoch;
    }

    synchronized long highestEpoch() {
        return highestEpoch;
    }

    synchronized int joins() {
        return joins;
    }

    /// Makes steps wait for [#release] from now on.
    synchronized void hold() {
        holding = true;
    }

    synchronized int heldSteps() {
        return held.size();
    }

    /// Answers the oldest step it holds.
    synchronized void answer() {
        run(held.remove());
    }

    /// Makes steps wait from now on while nothing advances, as in a deadlock.
    synchronized void stall() {
        holding = true;
        stalled = true;
    }

    synchronized void release() {
        holding = false;
        while (!held.isEmpty()) {
            run(held.remove());
        }
    }

    /// Dies at every step that admits a prompt of these ids, from now on.
    synchronized void dieOf(List<Integer> promptIds) {
        poison = promptIds;
    }

    synchronized void fallSilent() {
        silent = true;
    }

    /// Changes the next result before it is sent.
    synchronized void distortNext(Consumer<dev.lockstep.proto.v1.StepResult.Builder> change) {
        distortion = change;
    }

    /// Breaks the stream, as a process that is killed. Without this rank's lock: the end of a
    /// stream runs the scheduler's code on this thread.
    void die() {
        @Nullable StreamObserver<WorkerMessage> open;
        synchronized (this) {
            open = out;
            forget();
        }
        if (open != null) {
            open.onError(Status.UNAVAILABLE.withDescription("killed").asRuntimeException());
        }
    }

    synchronized void send(WorkerMessage message) {
        if (out != null) {
            out.onNext(message);
        }
    }

    private void forget() {
        out = null;
        worker = null;
        sequences.clear();
        held.clear();
        holding = false;
        stalled = false;
        silent = false;
    }

    @Override
    public StreamObserver<SchedulerMessage> attach(StreamObserver<WorkerMessage> answers) {
        return new StreamObserver<>() {
            @Override
            public void onNext(SchedulerMessage message) {
                received(message, answers);
            }

            @Override
            public void onError(Throwable t) {
                ended(answers);
            }

            @Override
            public void onCompleted() {
                ended(answers);
            }
        };
    }

    private synchronized void ended(StreamObserver<WorkerMessage> answers) {
        if (answers.equals(out)) {
            forget();
        }
    }

    private void received(SchedulerMessage message, StreamObserver<WorkerMessage> answers) {
        if (isDeadly(message)) {
            die();
        } else {
            handle(message, answers);
        }
    }

    private synchronized boolean isDeadly(SchedulerMessage message) {
        return message.getStep().getAdmittedList().stream()
                .anyMatch(one -> one.getPromptIdsList().equals(poison));
    }

    private synchronized void handle(
            SchedulerMessage message, StreamObserver<WorkerMessage> answers) {
        switch (message.getMessageCase()) {
            case JOIN -> join(message.getJoin(), answers);
            case FORM -> form(message.getForm());
            case STEP -> {
                if (holding) {
                    held.add(message.getStep());
                } else {
                    run(message.getStep());
                }
            }
            case CANARY -> canary(message.getCanary());
            case HEARTBEAT -> beat();
            case MESSAGE_NOT_SET -> throw new IllegalStateException("an empty message");
        }
    }

    private void canary(CanaryStep step) {
        if (!stalled) {
            send(
                    WorkerMessage.newBuilder()
                            .setCanary(
                                    CanaryResult.newBuilder()
                                            .setEpoch(step.getEpoch())
                                            .setNumber(step.getNumber())
                                            .setCanary(canary))
                            .build());
        }
    }

    /// Sets what this rank finds in canary steps from now on.
    synchronized void find(int token, int checksum) {
        canary = Canary.newBuilder().setToken(token).setChecksum(checksum).build();
    }

    /// Sets the checksum of all steps from now on.
    synchronized FakeRank report(int value) {
        checksum = OptionalInt.of(value);
        return this;
    }

    /// Returns why this rank was told to end; empty if it was not.
    synchronized String expelled() {
        return expelled;
    }

    private void beat() {
        if (!silent && out != null) {
            progress += stalled ? 0 : 1;
            out.onNext(
                    WorkerMessage.newBuilder()
                            .setHeartbeat(Heartbeat.newBuilder().setProgress(progress))
                            .build());
        }
    }

    private void join(Join join, StreamObserver<WorkerMessage> answers) {
        if (join.getEpoch() <= highestEpoch) {
            var trailers = new Metadata();
            trailers.put(WorkerGroup.EPOCH_TRAILER, Long.toString(highestEpoch));
            answers.onError(
                    Status.FAILED_PRECONDITION
                            .withDescription("epoch " + join.getEpoch() + " is stale")
                            .asRuntimeException(trailers));
            return;
        }
        forget();
        joins++;
        highestEpoch = join.getEpoch();
        if (!join.getExpelled().isEmpty()) {
            expelled = join.getExpelled();
            answers.onError(Status.ABORTED.withDescription("leaves").asRuntimeException());
            return;
        }
        out = answers;
        Joined.Builder joined = traits.apply(joined(member).setEpoch(join.getEpoch()));
        answers.onNext(WorkerMessage.newBuilder().setJoined(joined).build());
    }

    static Joined.Builder joined(Member member) {
        return Joined.newBuilder()
                .setRank(member.rank())
                .setProtocolVersion(WorkerProtocol.VERSION)
                .setModel("fake")
                .setModelDigest("d1")
                .setTokenizerDigest("t1")
                .setSettingsDigest("s1")
                .setSettings("dtype=f32")
                .setInstructionSet("avx512")
                .setComputeType("f32")
                .setKvType("f32")
                .setHost("here")
                .setNeedsOneHost(true)
                .setMaxModelLen(CONTEXT)
                .setVocabSize(FakeWorker.VOCABULARY)
                .setBlockSize(BLOCK_SIZE)
                .addKvGroups(KvGroupInfo.newBuilder().setKind("full").setBytesPerBlock(64))
                .setKvBlocks(BLOCKS)
                .setIncarnation(member.incarnation());
    }

    private void form(Form form) {
        worker =
                new FakeWorker(
                        new GroupShape(
                                form.getEpoch(),
                                form.getMaxNumSeqs(),
                                32,
                                CONTEXT,
                                BLOCK_SIZE,
                                (int) form.getKvBlocks(),
                                List.of(KvGroupShape.full(64))));
        send(
                WorkerMessage.newBuilder()
                        .setFormed(
                                Formed.newBuilder()
                                        .setEpoch(form.getEpoch())
                                        .setCanary(canary)
                                        .setCanaryRepeats(true)
                                        .setMaxNumBatchedTokens(32 + member.rank())
                                        .setInfo(RankInfo.newBuilder().setRank(member.rank())))
                        .build());
    }

    private void run(Step step) {
        if (worker == null) {
            return;
        }
        StepResult result = worker.run(fromProto(step));
        progress++;
        var proto =
                dev.lockstep.proto.v1.StepResult.newBuilder()
                        .setEpoch(result.epoch())
                        .setNumber(result.number());
        if (member.rank() == 0) {
            step.getAdmittedList().stream()
                    .filter(each -> sampling(each.getSampling()).getTopP() > 1)
                    .forEach(
                            each ->
                                    proto.addRefused(
                                            RefusedSlot.newBuilder()
                                                    .setSlot(each.getSlot())
                                                    .setReason("top_p is above 1")));
            for (StepResult.Sampled one : result.sampled()) {
                proto.addSampled(
                        Sampled.newBuilder()
                                .setSlot(one.slot())
                                .setId(one.token().id())
                                .addAllForced(one.forced())
                                .setComplete(one.complete())
                                .setOpen(one.open()));
            }
            for (StepResult.Outputs one : result.outputs()) {
                proto.addOutputs(
                        SlotOutputs.newBuilder()
                                .setSlot(one.slot())
                                .setOutputs(toProto(one.values())));
            }
        }
        checksum.ifPresent(proto::setChecksum);
        distortion.accept(proto);
        distortion = _ -> {};
        send(WorkerMessage.newBuilder().setResult(proto).build());
    }

    private static EncodedOutputs toProto(PositionOutputs outputs) {
        EncodedOutputs.Builder proto =
                EncodedOutputs.newBuilder().setPosition(outputs.position()).setHiddenSize(1);
        outputs.nextTokens().forEach(one -> proto.addNextTokens(ByteString.copyFrom(one.bytes())));
        outputs.hiddenStates()
                .forEach(one -> proto.addHiddenStates(ByteString.copyFrom(one.bytes())));
        return proto.setPooled(ByteString.copyFrom(outputs.pooled().bytes())).build();
    }

    private StepPlan fromProto(Step step) {
        var plan = new StepPlan();
        plan.begin(step.getEpoch(), step.getNumber(), 0);
        for (Admission admission : step.getAdmittedList()) {
            Sequence sequence = sequence(admission);
            sequences.put(admission.getSlot(), sequence);
            int[] outputs = admission.getOutputIdsList().stream().mapToInt(id -> id).toArray();
            plan.admit(
                    new StepPlan.Admission(
                            admission.getSlot(),
                            sequence,
                            outputs,
                            admission.getComputed(),
                            admission.getWithoutKv()));
        }
        step.getRowsList().forEach(row -> add(plan, row));
        plan.release(step.getReleasedSlotsList().stream().mapToInt(slot -> slot).toArray());
        for (BlockCopy copy : step.getCopiesList()) {
            plan.copies()
                    .add(
                            new StepPlan.BlockCopy(
                                    copy.getKvGroup(),
                                    copy.getFrom(),
                                    copy.getTo(),
                                    copy.getTokens()));
        }
        return plan;
    }

    private static Sequence sequence(Admission admission) {
        int[] prompt = admission.getPromptIdsList().stream().mapToInt(id -> id).toArray();
        return new Sequence(
                0,
                "",
                prompt,
                choice(admission),
                wanted(admission),
                SchedulingOptions.NONE,
                Optional.empty(),
                1);
    }

    private static Choice choice(Admission admission) {
        return new Choice(
                admission.getChoice(),
                admission.getGenerates() ? Integer.MAX_VALUE : 0,
                admission.getMinTokens(),
                admission.getStopTokenIdsList(),
                seed(admission.getSampling()),
                Payload.of(admission.getConstraint().toByteArray()));
    }

    static Payload seed(ByteString sampling) {
        return FakeWorker.seed(sampling(sampling).getSeed());
    }

    private static SamplingParams sampling(ByteString sampling) {
        try {
            return SamplingParams.parseFrom(sampling);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException(e);
        }
    }

    private static WantedOutputs wanted(Admission admission) {
        return admission.getOutputs().isEmpty()
                ? WantedOutputs.NONE
                : wanted(new WantedOutputs(0, Payload.of(admission.getOutputs().toByteArray())));
    }

    /// Translates real messages into the outputs that [FakeWorker] understands.
    static WantedOutputs wanted(WantedOutputs real) {
        if (!real.any()) {
            return WantedOutputs.NONE;
        }
        try {
            PromptOutputs outputs = PromptOutputs.parseFrom(real.request().bytes());
            return FakeWorker.wanted(
                    outputs.getFrom(),
                    outputs.getLogprobs(),
                    outputs.getHiddenStates(),
                    outputs.getPooling() != Pooling.POOLING_UNSPECIFIED);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException(e);
        }
    }

    private void add(StepPlan plan, Row row) {
        Sequence sequence = sequences.get(row.getSlot());
        if (sequence == null) {
            throw new IllegalStateException("a row for empty slot " + row.getSlot());
        }
        int[][] blocks = new int[row.getNewBlocksCount()][];
        for (int group = 0; group < blocks.length; group++) {
            blocks[group] =
                    row.getNewBlocks(group).getIdsList().stream().mapToInt(id -> id).toArray();
        }
        List<BlockHash> names =
                row.getFullHashesList().stream()
                        .map(bytes -> BlockHash.fromBytes(bytes.toByteArray()))
                        .toList();
        StepPlan.Row added =
                plan.add(sequence, row.getSlot(), row.getComputed(), row.getCount(), false, false);
        added.extend(blocks, names);
        added.tell(row.getIdsList().stream().mapToInt(id -> id).toArray());
    }
}
