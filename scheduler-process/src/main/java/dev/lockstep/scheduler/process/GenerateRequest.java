// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.cluster.CacheDomain;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.ServiceClass;
import dev.lockstep.scheduler.BlockPool;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.WantedOutputs;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// A request as the coordinator sent it, with the fields that the scheduler acts on checked. The
/// coordinator has checked the sampling settings; here only their token ids are checked, because
/// only a formed group knows its vocabulary.
///
/// @param promptIds read-only
/// @param choices all of them, or those that go on where another scheduler had accepted the request
/// @param committed the ids of each choice that the coordinator has; empty for a new request
/// @param migrations how often it has gone on elsewhere until now
/// @param choiceCount the number of all choices
/// @param client what keeps the request for another coordinator
record GenerateRequest(
        String id,
        int[] promptIds,
        List<Choice> choices,
        List<List<Integer>> committed,
        int migrations,
        PromptOutputs outputs,
        Options options,
        int choiceCount,
        Optional<ClientRecord> client) {
    private static final int MAX_CHOICES = 128;
    private static final int MAX_TOP_LOGPROBS = 20;
    private static final int MAX_MIGRATIONS = 1_000_000;
    private static final long MAX_DEADLINE_MILLIS = TimeUnit.DAYS.toMillis(30);

    GenerateRequest {
        choices = List.copyOf(choices);
        committed = committed.stream().map(List::copyOf).toList();
    }

    /// Whether another scheduler had accepted it.
    boolean accepted() {
        return !committed.isEmpty();
    }

    /// The scheduling and caching options of the request.
    ///
    /// @param deadlineMillis from its arrival; 0 for none
    record Options(
            String tenant,
            int priority,
            boolean guaranteed,
            long deadlineMillis,
            String cacheSalt,
            int cachePriority,
            int cacheTtlSeconds) {}

    /// Checks and converts a request.
    ///
    /// @throws IllegalArgumentException naming the field, its value and the limit
    static GenerateRequest fromProto(dev.lockstep.proto.v1.GenerateRequest proto) {
        refuseUnserved("adapter", proto.getAdapter());
        refuseUnserved("speculative", proto.getSpeculative());
        require(proto.getPromptIdsCount() > 0, "prompt_ids are empty, the least is 1");
        requireWhole("choices", proto.getChoices(), 1, MAX_CHOICES);
        requireWhole("max_tokens", proto.getMaxTokens(), 0, Integer.MAX_VALUE);
        requireWhole("min_tokens", proto.getMinTokens(), 0, proto.getMaxTokens());
        requireWhole("migrations", proto.getMigrations(), 0, MAX_MIGRATIONS);
        requireOutputs(proto);
        int[] ids = new int[proto.getPromptIdsCount()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = proto.getPromptIds(i);
        }
        requireCommitted(proto);
        return new GenerateRequest(
                proto.getRequestId(),
                ids,
                choices(proto),
                proto.getCommittedList().stream().map(CommittedChoice::getIdsList).toList(),
                proto.getMigrations(),
                proto.getOutputs(),
                options(proto),
                proto.getChoices(),
                client(proto));
    }

    private static Optional<ClientRecord> client(dev.lockstep.proto.v1.GenerateRequest proto) {
        if (!proto.hasClient()) {
            return Optional.empty();
        }
        require(!proto.getRequestId().isEmpty(), "client requires a request_id");
        require(!any(proto.getOutputs()), "client is given, which requires that outputs are not");
        return Optional.of(proto.getClient());
    }

    private static void requireCommitted(dev.lockstep.proto.v1.GenerateRequest proto) {
        int after = 0;
        for (CommittedChoice one : proto.getCommittedList()) {
            requireWhole("committed.choice", one.getChoice(), after, proto.getChoices() - 1);
            requireWhole(
                    "the number of committed.ids",
                    one.getIdsCount(),
                    0,
                    Math.max(0, proto.getMaxTokens() - 1));
            after = one.getChoice() + 1;
        }
    }

    private static List<Choice> choices(dev.lockstep.proto.v1.GenerateRequest proto) {
        var first =
                new Choice(
                        0,
                        proto.getMaxTokens(),
                        proto.getMinTokens(),
                        proto.getStopTokenIdsList(),
                        Payloads.fromProto(proto.getSampling()),
                        Payloads.fromProto(proto.getConstraint()));
        if (proto.getCommittedCount() > 0) {
            return proto.getCommittedList().stream()
                    .map(one -> first.withIndex(one.getChoice()))
                    .toList();
        }
        var choices = new ArrayList<Choice>();
        for (int index = 0; index < proto.getChoices(); index++) {
            choices.add(first.withIndex(index));
        }
        return choices;
    }

    private static void requireOutputs(dev.lockstep.proto.v1.GenerateRequest proto) {
        PromptOutputs outputs = proto.getOutputs();
        Pooling pooling = outputs.getPooling();
        requireWhole("outputs.from", outputs.getFrom(), 0, proto.getPromptIdsCount() - 1);
        requireWhole(
                "outputs.second_text", outputs.getSecondText(), 0, proto.getPromptIdsCount() - 1);
        requireWhole("outputs.top_logprobs", outputs.getTopLogprobs(), 0, MAX_TOP_LOGPROBS);
        require(
                pooling != Pooling.UNRECOGNIZED,
                "outputs.pooling is " + outputs.getPoolingValue() + ", which is unknown");
        boolean generates = proto.getMaxTokens() > 0;
        require(
                generates || (any(outputs) && proto.getChoices() == 1),
                "max_tokens is 0, which requires outputs, and choices 1");
        require(
                pooling == Pooling.POOLING_UNSPECIFIED || !generates,
                "outputs.pooling requires max_tokens 0");
    }

    private static boolean any(PromptOutputs outputs) {
        return outputs.getLogprobs()
                || outputs.getHiddenStates()
                || outputs.getPooling() != Pooling.POOLING_UNSPECIFIED;
    }

    /// The outputs of one choice: those of the prompt belong to the first, the others report hidden
    /// states of generated positions only.
    WantedOutputs wanted(int choice) {
        return wanted(outputs, choice, promptIds.length);
    }

    static WantedOutputs wanted(PromptOutputs outputs, int choice, int promptLength) {
        if (choice == 0) {
            return any(outputs)
                    ? new WantedOutputs(outputs.getFrom(), Payload.of(outputs.toByteArray()))
                    : WantedOutputs.NONE;
        }
        if (!outputs.getHiddenStates()) {
            return WantedOutputs.NONE;
        }
        PromptOutputs generated =
                PromptOutputs.newBuilder().setFrom(promptLength).setHiddenStates(true).build();
        return new WantedOutputs(promptLength, Payload.of(generated.toByteArray()));
    }

    /// Throws unless every token id in the request is in the model's vocabulary.
    void requireVocabulary(int size) {
        for (int i = 0; i < promptIds.length; i++) {
            requireToken("prompt_ids[" + i + "]", promptIds[i], size);
        }
        for (List<Integer> ids : committed) {
            ids.forEach(id -> requireToken("committed.ids", id, size));
        }
        Choice choice = choices.getFirst();
        choice.stopTokenIds().forEach(id -> requireToken("stop_token_ids", id, size));
        sampling()
                .getLogitBiasList()
                .forEach(bias -> requireToken("logit_bias", bias.getTokenId(), size));
    }

    /// Whether each token comes with its log-probability.
    boolean reportsLogprobs() {
        return sampling().getLogprobs();
    }

    private SamplingParams sampling() {
        try {
            return SamplingParams.parseFrom(choices.getFirst().sampling().bytes());
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalArgumentException("sampling is not a SamplingParams message", e);
        }
    }

    /// The options for the scheduler; the deadline is on the clock that reads `nanos` now.
    SchedulingOptions options(long nanos) {
        return new SchedulingOptions(
                options.tenant,
                options.priority,
                options.guaranteed,
                options.deadlineMillis == 0
                        ? SchedulingOptions.NO_DEADLINE
                        : nanos + TimeUnit.MILLISECONDS.toNanos(options.deadlineMillis),
                SchedulingOptions.Domain.of(CacheDomain.of(options.tenant, options.cacheSalt, "")),
                options.cachePriority,
                options.cacheTtlSeconds);
    }

    private static Options options(dev.lockstep.proto.v1.GenerateRequest proto) {
        requireWhole("deadline_ms", proto.getDeadlineMs(), 0, MAX_DEADLINE_MILLIS);
        requireWhole("cache_priority", proto.getCachePriority(), 0, BlockPool.MAX_PRIORITY);
        requireWhole("cache_ttl_ms", proto.getCacheTtlMs(), 0, Integer.MAX_VALUE);
        int retention = proto.getCachePriority();
        return new Options(
                proto.getTenant(),
                proto.getPriority(),
                proto.getServiceClass() == ServiceClass.SERVICE_CLASS_GUARANTEED,
                proto.getDeadlineMs(),
                proto.getCacheSalt(),
                retention == 0 ? BlockPool.DEFAULT_PRIORITY : retention,
                (int) Math.ceilDiv(proto.getCacheTtlMs(), 1000L));
    }

    private static void refuseUnserved(String field, String value) {
        require(
                value.isEmpty(),
                field + " is \"" + value + "\"; it is not served yet, leave it empty");
    }

    private static void requireWhole(String field, long value, long min, long max) {
        require(
                value >= min && value <= max,
                field + " is " + value + ", it must lie in [" + min + ", " + max + "]");
    }

    private static void requireToken(String field, int id, int size) {
        require(
                id >= 0 && id < size,
                field + " is " + id + ", the model's vocabulary has " + size + " tokens");
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalArgumentException(otherwise);
        }
    }
}
