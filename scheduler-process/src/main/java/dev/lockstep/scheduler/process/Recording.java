// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.process.OwnerOnly;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.HeldBlocks;
import dev.lockstep.proto.v1.KvGroupInfo;
import dev.lockstep.proto.v1.RecordedArrival;
import dev.lockstep.proto.v1.RecordedCall;
import dev.lockstep.proto.v1.RecordedGroup;
import dev.lockstep.proto.v1.RefusedSlot;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.GroupShape;
import dev.lockstep.scheduler.KvGroupShape;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.Recorder;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.WaitingLimits;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Writes every call of a scheduler, and what it plans, to a file that [Replay] reads. A write
/// error ends the recording, not the scheduler.
///
/// Owned by the step loop's thread, which also closes it.
final class Recording implements Recorder, AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Recording.class);
    private static final int BUFFER = 1 << 16;

    private final Path file;
    private final OutputStream out;
    private boolean broken;

    private Recording(Path file, OutputStream out) {
        this.file = file;
        this.out = out;
    }

    /// Creates the file, for its owner alone: it has prompts. Or overwrites it.
    static Recording to(Path file) {
        try {
            FileChannel channel =
                    FileChannel.open(
                            file,
                            Set.of(
                                    StandardOpenOption.CREATE,
                                    StandardOpenOption.TRUNCATE_EXISTING,
                                    StandardOpenOption.WRITE),
                            OwnerOnly.FILE);
            return new Recording(
                    file, new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER));
        } catch (IOException e) {
            throw new UncheckedIOException("--record: cannot write " + file, e);
        }
    }

    /// Records a formed group; the calls that follow are for its scheduler.
    void formed(
            GroupShape shape,
            WaitingLimits limits,
            Policies policies,
            byte[] hashKey,
            CommonBlocks held,
            long nanos) {
        RecordedGroup.Builder group =
                RecordedGroup.newBuilder()
                        .setEpoch(shape.epoch())
                        .setMaxNumSeqs(shape.maxSequences())
                        .setMaxNumBatchedTokens(shape.maxBatchedTokens())
                        .setDoublingPosition(shape.doublingPosition())
                        .setMeasuredTokens(shape.measuredTokens())
                        .setMaxModelLen(shape.maxModelLength())
                        .setBlockSize(shape.blockSize())
                        .setPromptSpan(shape.promptSpan())
                        .setBlocks(shape.blocks())
                        .setMaxWaiting(limits.sequences())
                        .setMaxWaitingTokens(limits.tokens())
                        .setMaxQueueDelayNanos(
                                limits.delayNanos() == WaitingLimits.NO_DELAY_LIMIT
                                        ? 0
                                        : limits.delayNanos())
                        .setCapacity(policies.capacity())
                        .setMicroBatch(policies.microBatch())
                        .setWaitingOrder(policies.waitingOrder())
                        .putAllTenantWeights(policies.tenantWeights())
                        .setPrefixCache(policies.prefixCache())
                        .setHashKey(ByteString.copyFrom(hashKey));
        for (KvGroupShape kvGroup : shape.kvGroups()) {
            group.addKvGroups(
                    KvGroupInfo.newBuilder()
                            .setKind(kvGroup.kind().name().toLowerCase(Locale.ROOT))
                            .setWindow(kvGroup.window())
                            .setBytesPerBlock(kvGroup.bytesPerBlock())
                            .setLayers(kvGroup.layers()));
        }
        for (CommonBlocks.Block block : held.blocks()) {
            group.addHeld(
                    HeldBlocks.newBuilder()
                            .setKvGroup(block.kvGroup())
                            .addBlocks(block.block())
                            .setNames(ByteString.copyFrom(block.name().toBytes())));
        }
        write(call(nanos).setGroup(group));
    }

    @Override
    public void submitted(List<Sequence> choices, boolean accepted, long nanos) {
        Sequence first = choices.getFirst();
        Choice choice = first.choice();
        SchedulingOptions options = first.options();
        RecordedArrival.Builder arrival =
                RecordedArrival.newBuilder()
                        .setRequestId(first.requestId())
                        .setTenant(options.tenant())
                        .setPriority(options.priority())
                        .setGuaranteed(options.guaranteed())
                        .setHasDeadline(options.deadlineNanos() != SchedulingOptions.NO_DEADLINE)
                        .setDeadlineNanos(options.deadlineNanos())
                        .setCachePriority(options.cachePriority())
                        .setCacheTtlSeconds(options.cacheTtlSeconds())
                        .setOutputs(Payloads.toProto(first.wanted().request()))
                        .setMaxTokens(choice.maxTokens())
                        .setMinTokens(choice.minTokens())
                        .addAllStopTokenIds(choice.stopTokenIds())
                        .setSampling(Payloads.toProto(choice.sampling()))
                        .setConstraint(Payloads.toProto(choice.constraint()));
        for (int id : first.prompt()) {
            arrival.addPromptIds(id);
        }
        for (long word : options.cacheDomain().words()) {
            arrival.addCacheDomain(word);
        }
        arrival.setAccepted(accepted);
        for (Sequence each : choices) {
            arrival.addChoices(each.arrival());
            arrival.addCommitted(
                    CommittedChoice.newBuilder()
                            .setChoice(each.choice().index())
                            .addAllIds(Arrays.stream(each.copyOfOutputs()).boxed().toList()));
        }
        write(call(nanos).setArrival(arrival));
    }

    @Override
    public void resumed(Sequence sequence, long nanos) {
        write(call(nanos).setResumed(sequence.arrival()));
    }

    @Override
    public void lost(boolean rankFailed, long nanos) {
        write(call(nanos).setLost(rankFailed));
    }

    @Override
    public void cancelled(Sequence sequence, long nanos) {
        write(call(nanos).setCancelled(sequence.arrival()));
    }

    @Override
    public void expired(long nanos) {
        write(call(nanos).setExpire(true));
    }

    @Override
    public void planned(StepPlan plan, long nanos) {
        if (plan.isEmpty()) {
            write(call(nanos).setEmptyPlan(true));
        } else {
            write(call(nanos).setPlan(RankStream.toProto(plan).getStep()));
        }
    }

    @Override
    public void applied(StepResult result, long nanos) {
        var proto =
                dev.lockstep.proto.v1.StepResult.newBuilder()
                        .setEpoch(result.epoch())
                        .setNumber(result.number())
                        .setComputeMicros(result.computeMicros());
        for (StepResult.Refused one : result.refused()) {
            proto.addRefused(RefusedSlot.newBuilder().setSlot(one.slot()).setReason(one.reason()));
        }
        for (StepResult.Sampled one : result.sampled()) {
            proto.addSampled(
                    dev.lockstep.proto.v1.Sampled.newBuilder()
                            .setSlot(one.slot())
                            .setId(one.token().id())
                            .addAllForced(one.forced())
                            .setComplete(one.complete())
                            .setFree(one.free())
                            .setOpen(one.open()));
        }
        write(call(nanos).setResult(proto));
    }

    private static RecordedCall.Builder call(long nanos) {
        return RecordedCall.newBuilder().setNanos(nanos);
    }

    private void write(RecordedCall.Builder call) {
        if (broken) {
            return;
        }
        try {
            call.build().writeDelimitedTo(out);
        } catch (IOException e) {
            broken = true;
            LOG.error("cannot write {}: the recording ends here", file, e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            LOG.error("cannot close {}: the end of the recording is lost", file, e);
        }
    }
}
