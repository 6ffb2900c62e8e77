// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.EncodedOutputs;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.SlotOutputs;
import dev.lockstep.proto.v1.Step;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.PositionOutputs;
import dev.lockstep.scheduler.SampledToken;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.List;
import java.util.Optional;

/// The stream to one rank, and the messages on it. Its group opens and cancels it.
final class RankStream extends ClientCall.Listener<WorkerMessage> {
    /// Receives events of the stream on the transport's thread.
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

    /// Opens the stream, unless it was cancelled because another rank was lost first.
    synchronized void open() {
        if (!cancelled) {
            call.start(this, new Metadata());
            call.request(Integer.MAX_VALUE);
        }
    }

    /// Sends a message without blocking. The messages on their way are bounded by the steps in
    /// flight and one heartbeat a second.
    synchronized void send(SchedulerMessage message) {
        if (!cancelled) {
            call.sendMessage(message);
        }
    }

    synchronized void cancel() {
        cancelled = true;
        call.cancel("the scheduler cancelled the group", null);
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
        Step.Builder step = Step.newBuilder().setEpoch(plan.epoch()).setNumber(plan.number());
        for (int slot : plan.releasedSlots()) {
            step.addReleasedSlots(slot);
        }
        plan.admitted().forEach(admission -> step.addAdmitted(toProto(admission)));
        for (StepPlan.BlockCopy copy : plan.copies()) {
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
        Sequence sequence = admission.sequence();
        Choice choice = sequence.choice();
        Admission.Builder proto =
                Admission.newBuilder()
                        .setSlot(admission.slot())
                        .setComputed(admission.computed())
                        .setRequestId(sequence.requestId())
                        .setSampling(Payloads.toProto(choice.sampling()))
                        .setChoice(choice.index())
                        .setGenerates(sequence.generates())
                        .setMinTokens(choice.minTokens())
                        .addAllStopTokenIds(choice.stopTokenIds())
                        .setOutputs(Payloads.toProto(sequence.wanted().request()))
                        .setConstraint(Payloads.toProto(choice.constraint()))
                        .setWithoutKv(admission.withoutKv());
        for (int id : sequence.prompt()) {
            proto.addPromptIds(id);
        }
        for (int id : admission.outputIds()) {
            proto.addOutputIds(id);
        }
        return proto;
    }

    private static Row.Builder toProto(StepPlan.Row row) {
        Row.Builder proto =
                Row.newBuilder()
                        .setSlot(row.slot())
                        .setComputed(row.computed())
                        .setCount(row.count());
        for (int[] blocks : row.newBlocks()) {
            BlockList.Builder list = BlockList.newBuilder();
            for (int block : blocks) {
                list.addIds(block);
            }
            proto.addNewBlocks(list);
        }
        for (BlockHash name : row.fullBlocks()) {
            proto.addFullHashes(ByteString.copyFrom(name.toBytes()));
        }
        for (int id : row.ids()) {
            proto.addIds(id);
        }
        return proto;
    }

    static StepResult fromProto(dev.lockstep.proto.v1.StepResult proto) {
        List<StepResult.Sampled> sampled =
                proto.getSampledList().stream()
                        .map(
                                one ->
                                        new StepResult.Sampled(
                                                one.getSlot(),
                                                new SampledToken(one.getId(), logprobs(one)),
                                                one.getForcedList(),
                                                one.getComplete(),
                                                one.getFree(),
                                                one.getOpen()))
                        .toList();
        List<StepResult.Outputs> outputs =
                proto.getOutputsList().stream()
                        .map(one -> new StepResult.Outputs(one.getSlot(), fromProto(one)))
                        .toList();
        List<StepResult.Refused> refused =
                proto.getRefusedList().stream()
                        .map(one -> new StepResult.Refused(one.getSlot(), one.getReason()))
                        .toList();
        return new StepResult(
                proto.getEpoch(),
                proto.getNumber(),
                refused,
                sampled,
                outputs,
                proto.getComputeMicros());
    }

    private static Optional<Payload> logprobs(Sampled token) {
        return token.hasLogprobs()
                ? Optional.of(Payloads.fromProto(token.getLogprobs()))
                : Optional.empty();
    }

    private static PositionOutputs fromProto(SlotOutputs proto) {
        EncodedOutputs outputs = proto.getOutputs();
        return new PositionOutputs(
                outputs.getPosition(),
                outputs.getNextTokensList().stream().map(Payloads::fromProto).toList(),
                outputs.getHiddenSize(),
                outputs.getHiddenStatesList().stream().map(Payloads::fromProto).toList(),
                Payloads.fromProto(outputs.getPooled()));
    }
}
