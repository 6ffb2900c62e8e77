// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.HeldBlocks;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.RecordedArrival;
import dev.lockstep.proto.v1.RecordedCall;
import dev.lockstep.proto.v1.RecordedGroup;
import dev.lockstep.proto.v1.Step;
import dev.lockstep.scheduler.CacheEvents;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.GroupShape;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.Timeline;
import dev.lockstep.scheduler.WaitingLimits;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Runs a recorded scheduler again, without workers, and compares every plan.
public final class Replay {
    private final Map<Long, Sequence> sequences = new HashMap<>();
    private @Nullable Scheduler scheduler;
    private int kvGroups;
    private long calls;
    private long requests;
    private long plans;
    private long tokens;
    private long computeMicros;
    private final List<String> differences = new ArrayList<>();

    /// The result of a replay.
    ///
    /// @param differences empty when every plan equals the recorded one
    public record Report(
            long groups,
            long requests,
            long plans,
            long tokens,
            long computeMicros,
            List<String> differences) {
        public Report {
            differences = List.copyOf(differences);
        }
    }

    private long groups;

    private Replay() {}

    /// Replays a file.
    ///
    /// @throws IOException when it cannot be read, or is not a recording
    public static Report of(Path file) throws IOException {
        var replay = new Replay();
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            for (RecordedCall call = next(in, file); call != null; call = next(in, file)) {
                replay.apply(call, file);
            }
        }
        return new Report(
                replay.groups,
                replay.requests,
                replay.plans,
                replay.tokens,
                replay.computeMicros,
                replay.differences);
    }

    private static @Nullable RecordedCall next(InputStream in, Path file) throws IOException {
        try {
            return RecordedCall.parseDelimitedFrom(in);
        } catch (InvalidProtocolBufferException e) {
            throw new IOException(
                    file + " is not a recording, or was cut off: " + e.getMessage(), e);
        }
    }

    private void apply(RecordedCall call, Path file) throws IOException {
        calls++;
        if (call.getCallCase() == RecordedCall.CallCase.GROUP) {
            begin(call.getGroup());
            return;
        }
        Scheduler current = scheduler;
        if (current == null) {
            throw new IOException(file + " is not a recording: it does not begin with a group");
        }
        long nanos = call.getNanos();
        switch (call.getCallCase()) {
            case ARRIVAL -> {
                requests++;
                current.submit(
                        sequences(call.getArrival()), call.getArrival().getAccepted(), nanos);
            }
            case CANCELLED -> {
                Sequence sequence = sequences.get(call.getCancelled());
                if (sequence != null) {
                    current.cancel(sequence, nanos);
                }
            }
            case RESUMED -> {
                Sequence sequence = sequences.get(call.getResumed());
                if (sequence != null) {
                    current.resume(sequence, nanos);
                }
            }
            case LOST -> current.lose(call.getLost(), nanos);
            case EXPIRE -> current.expire(nanos);
            case PLAN, EMPTY_PLAN -> compare(call, current.plan(nanos));
            case RESULT -> {
                computeMicros += call.getResult().getComputeMicros();
                current.apply(RankStream.fromProto(call.getResult()), nanos);
            }
            case GROUP, CALL_NOT_SET ->
                    throw new IOException(file + ": call " + calls + " is empty");
        }
    }

    private void begin(RecordedGroup group) {
        groups++;
        var shape =
                new GroupShape(
                        group.getEpoch(),
                        group.getMaxNumSeqs(),
                        group.getMaxNumBatchedTokens(),
                        group.getDoublingPosition(),
                        group.getMeasuredTokens(),
                        group.getMaxModelLen(),
                        group.getBlockSize(),
                        group.getPromptSpan(),
                        group.getBlocks(),
                        group.getKvGroupsList().stream().map(GroupKeeper::fromProto).toList());
        kvGroups = shape.pagedGroups().size();
        var fresh =
                new Scheduler(
                        shape,
                        WaitingLimits.of(
                                group.getMaxWaiting(),
                                group.getMaxWaitingTokens(),
                                group.getMaxQueueDelayNanos()),
                        new Policies(
                                group.getCapacity(),
                                group.getMicroBatch(),
                                group.getWaitingOrder(),
                                group.getTenantWeightsMap(),
                                group.getPrefixCache()),
                        new BlockHasher(group.getHashKey().toByteArray()),
                        CacheEvents.NONE,
                        new Timeline(1 << 10));
        for (HeldBlocks held : group.getHeldList()) {
            fresh.adopt(
                    held.getKvGroup(),
                    held.getBlocks(0),
                    BlockHash.fromBytes(held.getNames().toByteArray()));
        }
        scheduler = fresh;
    }

    private List<Sequence> sequences(RecordedArrival arrival) throws IOException {
        int[] prompt = arrival.getPromptIdsList().stream().mapToInt(Integer::intValue).toArray();
        long[] domain = arrival.getCacheDomainList().stream().mapToLong(Long::longValue).toArray();
        var options =
                new SchedulingOptions(
                        arrival.getTenant(),
                        arrival.getPriority(),
                        arrival.getGuaranteed(),
                        arrival.getHasDeadline()
                                ? arrival.getDeadlineNanos()
                                : SchedulingOptions.NO_DEADLINE,
                        SchedulingOptions.Domain.of(domain),
                        arrival.getCachePriority(),
                        arrival.getCacheTtlSeconds());
        PromptOutputs wanted = outputs(arrival);
        var first =
                new Choice(
                        0,
                        arrival.getMaxTokens(),
                        arrival.getMinTokens(),
                        arrival.getStopTokenIdsList(),
                        Payloads.fromProto(arrival.getSampling()),
                        Payloads.fromProto(arrival.getConstraint()));
        if (arrival.getChoicesCount() == 0) {
            throw new IOException("an arrival without choices: an older build recorded it");
        }
        var choices = new ArrayList<Sequence>();
        if (arrival.getCommittedCount() != arrival.getChoicesCount()) {
            throw new IOException("an arrival without indexes: an older build recorded it");
        }
        for (CommittedChoice each : arrival.getCommittedList()) {
            int index = each.getChoice();
            long number = arrival.getChoices(choices.size());
            var sequence =
                    new Sequence(
                            number,
                            arrival.getRequestId(),
                            prompt,
                            first.withIndex(index),
                            GenerateRequest.wanted(wanted, index, prompt.length),
                            options,
                            choices.isEmpty() ? Optional.empty() : Optional.of(choices.getFirst()),
                            kvGroups);
            sequence.goOnAfter(each.getIdsList());
            sequences.put(number, sequence);
            choices.add(sequence);
        }
        return choices;
    }

    private static PromptOutputs outputs(RecordedArrival arrival) throws IOException {
        try {
            return PromptOutputs.parseFrom(arrival.getOutputs());
        } catch (InvalidProtocolBufferException e) {
            throw new IOException("request " + arrival.getRequestId() + " has invalid outputs", e);
        }
    }

    private void compare(RecordedCall call, StepPlan plan) {
        plans += plan.isEmpty() ? 0 : 1;
        tokens += plan.tokenCount();
        Step again = RankStream.toProto(plan).getStep();
        boolean same =
                call.getEmptyPlan()
                        ? plan.isEmpty()
                        : !plan.isEmpty() && again.equals(call.getPlan());
        if (!same && differences.size() < 10) {
            differences.add(
                    "step %d of epoch %d: recorded %d rows, planned %d"
                            .formatted(
                                    again.getNumber(),
                                    again.getEpoch(),
                                    call.getPlan().getRowsCount(),
                                    again.getRowsCount()));
        }
    }
}
