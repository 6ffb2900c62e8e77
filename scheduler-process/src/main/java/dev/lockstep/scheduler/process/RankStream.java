package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.Step;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import dev.lockstep.scheduler.SampledToken;
import dev.lockstep.scheduler.SamplingParameters;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;

/// The stream to one rank, and the messages on it. Its group opens and cancels it.
final class RankStream extends ClientCall.Listener<WorkerMessage> {
    /// Hears on the transport's thread.
    interface Listener {
        void received(int rank, WorkerMessage message);

        void ended(int rank, Status status, Metadata trailers);
    }

    private final int rank;
    private final ManagedChannel channel;
    private final Listener listener;
    private final ClientCall<SchedulerMessage, WorkerMessage> call;
    private boolean cancelled;

    RankStream(int rank, ManagedChannel channel, Listener listener) {
        this.rank = rank;
        this.channel = channel;
        this.listener = listener;
        this.call = channel.newCall(WorkerGrpc.getAttachMethod(), CallOptions.DEFAULT);
    }

    /// Nothing when another rank was lost before, and this one cancelled with it.
    synchronized void open() {
        if (!cancelled) {
            call.start(this, new Metadata());
            call.request(Integer.MAX_VALUE);
        }
    }

    /// Never waits. What may be on its way is bounded by the steps in flight and a heartbeat a
    /// second.
    synchronized void send(SchedulerMessage message) {
        if (!cancelled) {
            call.sendMessage(message);
        }
    }

    synchronized void cancel() {
        cancelled = true;
        call.cancel("the scheduler gave the group up", null);
        channel.shutdownNow();
    }

    @Override
    public void onMessage(WorkerMessage message) {
        listener.received(rank, message);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
        listener.ended(rank, status, trailers);
    }

    static SchedulerMessage toProto(StepPlan plan) {
        var step = Step.newBuilder().setEpoch(plan.epoch()).setNumber(plan.number());
        for (int slot : plan.releasedSlots()) {
            step.addReleasedSlots(slot);
        }
        plan.admitted().forEach(admission -> step.addAdmitted(toProto(admission)));
        for (var copy : plan.copies()) {
            step.addCopies(
                    BlockCopy.newBuilder()
                            .setKvGroup(copy.kvGroup())
                            .setFrom(copy.from())
                            .setTo(copy.to())
                            .setTokens(copy.tokens()));
        }
        plan.rows().forEach(row -> step.addRows(toProto(row)));
        return SchedulerMessage.newBuilder().setStep(step).build();
    }

    private static Admission.Builder toProto(StepPlan.Admission admission) {
        var sequence = admission.sequence();
        var proto =
                Admission.newBuilder()
                        .setSlot(admission.slot())
                        .setComputed(admission.computed())
                        .setRequestId(sequence.requestId())
                        .setSampling(toProto(sequence.sampling()))
                        .setWithoutKv(admission.withoutKv());
        if (sequence.wanted().any()) {
            proto.setOutputs(sequence.wanted().toProto());
        }
        for (int id : sequence.prompt()) {
            proto.addPromptIds(id);
        }
        for (int id : admission.outputIds()) {
            proto.addOutputIds(id);
        }
        return proto;
    }

    private static Row.Builder toProto(StepPlan.Row row) {
        var proto =
                Row.newBuilder()
                        .setSlot(row.slot())
                        .setComputed(row.computed())
                        .setCount(row.count());
        for (int[] blocks : row.newBlocks()) {
            var list = BlockList.newBuilder();
            for (int block : blocks) {
                list.addIds(block);
            }
            proto.addNewBlocks(list);
        }
        for (BlockHash name : row.fullBlocks()) {
            proto.addFullHashes(ByteString.copyFrom(name.toBytes()));
        }
        return proto;
    }

    static SamplingParams.Builder toProto(SamplingParameters sampling) {
        var proto =
                SamplingParams.newBuilder()
                        .setTemperature(sampling.temperature())
                        .setTopP(sampling.topP())
                        .setTopK(sampling.topK())
                        .setMinP(sampling.minP())
                        .setRepetitionPenalty(sampling.penalties().repetition())
                        .setFrequencyPenalty(sampling.penalties().frequency())
                        .setPresencePenalty(sampling.penalties().presence())
                        .setSeed(sampling.seed())
                        .setChoice(sampling.choice())
                        .setMaxTokens(sampling.maxTokens())
                        .setMinTokens(sampling.minTokens())
                        .addAllStopTokenIds(sampling.stopTokenIds())
                        .setIgnoreEos(sampling.ignoreEndTokens())
                        .setLogprobs(sampling.logprobs())
                        .setTopLogprobs(sampling.topLogprobs());
        for (var bias : sampling.logitBias()) {
            proto.addLogitBias(
                    LogitBias.newBuilder().setTokenId(bias.tokenId()).setBias(bias.bias()));
        }
        return proto;
    }

    static StepResult fromProto(dev.lockstep.proto.v1.StepResult proto) {
        var sampled =
                proto.getSampledList().stream()
                        .map(
                                one ->
                                        new StepResult.Sampled(
                                                one.getSlot(), fromProto(one.getToken())))
                        .toList();
        var outputs =
                proto.getOutputsList().stream()
                        .map(one -> new StepResult.Outputs(one.getSlot(), one.getOutputs()))
                        .toList();
        return new StepResult(
                proto.getEpoch(), proto.getNumber(), sampled, outputs, proto.getComputeMicros());
    }

    private static SampledToken fromProto(dev.lockstep.proto.v1.Token proto) {
        var top =
                proto.getTopLogprobsList().stream()
                        .map(one -> new SampledToken.TopLogprob(one.getTokenId(), one.getLogprob()))
                        .toList();
        return new SampledToken(proto.getId(), proto.getLogprob(), top);
    }
}
