package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.CacheDomain;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.ServiceClass;
import dev.lockstep.scheduler.BlockPool;
import dev.lockstep.scheduler.PromptOutputs;
import dev.lockstep.scheduler.SamplingParameters;
import dev.lockstep.scheduler.SchedulingOptions;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A request as the coordinator sent it, checked field by field; `promptIds` is written by nobody.
record GenerateRequest(
        String id,
        int[] promptIds,
        List<SamplingParameters> choices,
        PromptOutputs outputs,
        Asked asked) {
    private static final int MAX_CHOICES = 128;
    private static final int MAX_TOP_LOGPROBS = 20;
    private static final long MAX_DEADLINE_MILLIS = TimeUnit.DAYS.toMillis(30);

    GenerateRequest {
        choices = List.copyOf(choices);
    }

    /// What it asks of scheduling and caching; `deadlineMillis` 0 is none, from when it arrives.
    record Asked(
            String tenant,
            int priority,
            boolean guaranteed,
            long deadlineMillis,
            String cacheSalt,
            int cachePriority,
            int cacheTtlSeconds) {}

    /// @throws IllegalArgumentException naming the field, its value and the limit
    static GenerateRequest fromProto(dev.lockstep.proto.v1.GenerateRequest proto) {
        refuseUnserved("adapter", proto.getAdapter());
        refuseUnserved("speculative", proto.getSpeculative());
        int choices = proto.getChoicesCount();
        require(proto.getPromptIdsCount() > 0, "prompt_ids are empty, the least is 1");
        require(
                choices > 0 && choices <= MAX_CHOICES,
                "choices are " + choices + ", from 1 to " + MAX_CHOICES + " are possible");
        int[] ids = new int[proto.getPromptIdsCount()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = proto.getPromptIds(i);
        }
        var sampling = proto.getChoicesList().stream().map(GenerateRequest::fromProto).toList();
        for (int choice = 0; choice < choices; choice++) {
            int said = sampling.get(choice).choice();
            require(said == choice, "choices[" + choice + "].choice is " + said);
        }
        return new GenerateRequest(
                proto.getRequestId(), ids, sampling, outputs(proto, ids, sampling), asked(proto));
    }

    private static PromptOutputs outputs(
            dev.lockstep.proto.v1.GenerateRequest proto,
            int[] prompt,
            List<SamplingParameters> choices) {
        var wanted = PromptOutputs.fromProto(proto.getOutputs());
        requireIn("outputs.from", wanted.from(), 0, Math.max(0, prompt.length - 1));
        requireIn("outputs.top_logprobs", wanted.topLogprobs(), 0, MAX_TOP_LOGPROBS);
        require(
                wanted.pooling() != Pooling.UNRECOGNIZED,
                "outputs.pooling is "
                        + proto.getOutputs().getPoolingValue()
                        + ", which is unknown");
        boolean generates = choices.stream().allMatch(each -> each.maxTokens() > 0);
        boolean pools = wanted.pooling() != Pooling.POOLING_UNSPECIFIED;
        require(
                generates || (wanted.any() && choices.size() == 1),
                "max_tokens is 0, which one choice with outputs may have");
        require(
                !pools
                        || (!generates
                                && (wanted.pooling() == Pooling.POOLING_LAST
                                        || wanted.from() == 0)),
                "outputs.pooling asks for max_tokens 0, and a mean for outputs.from 0");
        return wanted;
    }

    static SamplingParameters fromProto(SamplingParams proto) {
        requireIn("temperature", proto.getTemperature(), 0, 1000);
        requireIn("top_p", proto.getTopP(), Float.MIN_VALUE, 1);
        requireIn("top_k", proto.getTopK(), 0, Integer.MAX_VALUE);
        requireIn("min_p", proto.getMinP(), 0, 1);
        requireIn("repetition_penalty", proto.getRepetitionPenalty(), Float.MIN_VALUE, 1000);
        requireIn("frequency_penalty", proto.getFrequencyPenalty(), -2, 2);
        requireIn("presence_penalty", proto.getPresencePenalty(), -2, 2);
        requireIn("top_logprobs", proto.getTopLogprobs(), 0, MAX_TOP_LOGPROBS);
        proto.getLogitBiasList()
                .forEach(bias -> requireIn("logit_bias", bias.getBias(), -100, 100));
        return new SamplingParameters(
                proto.getTemperature(),
                proto.getTopP(),
                proto.getTopK(),
                proto.getMinP(),
                new SamplingParameters.Penalties(
                        proto.getRepetitionPenalty(),
                        proto.getFrequencyPenalty(),
                        proto.getPresencePenalty()),
                proto.getLogitBiasList().stream()
                        .map(one -> new SamplingParameters.Bias(one.getTokenId(), one.getBias()))
                        .toList(),
                proto.getSeed(),
                proto.getChoice(),
                proto.getMaxTokens(),
                proto.getMinTokens(),
                proto.getStopTokenIdsList(),
                proto.getIgnoreEos(),
                proto.getLogprobs(),
                proto.getTopLogprobs());
    }

    /// Throws unless every token id the request names is one of the model's.
    void requireVocabulary(int size) {
        for (int i = 0; i < promptIds.length; i++) {
            requireToken("prompt_ids[" + i + "]", promptIds[i], size);
        }
        for (var sampling : choices) {
            sampling.stopTokenIds().forEach(id -> requireToken("stop_token_ids", id, size));
            sampling.logitBias().forEach(one -> requireToken("logit_bias", one.tokenId(), size));
        }
    }

    /// With the deadline on the clock that says `nanos` now.
    SchedulingOptions options(long nanos) {
        return new SchedulingOptions(
                asked.tenant,
                asked.priority,
                asked.guaranteed,
                asked.deadlineMillis == 0
                        ? SchedulingOptions.NO_DEADLINE
                        : nanos + TimeUnit.MILLISECONDS.toNanos(asked.deadlineMillis),
                SchedulingOptions.Domain.of(CacheDomain.of(asked.tenant, asked.cacheSalt, "")),
                asked.cachePriority,
                asked.cacheTtlSeconds);
    }

    private static Asked asked(dev.lockstep.proto.v1.GenerateRequest proto) {
        requireWhole("deadline_ms", proto.getDeadlineMs(), 0, MAX_DEADLINE_MILLIS);
        requireWhole("cache_priority", proto.getCachePriority(), 0, BlockPool.MOST_PRIORITY);
        requireWhole("cache_ttl_ms", proto.getCacheTtlMs(), 0, Integer.MAX_VALUE);
        int retention = proto.getCachePriority();
        return new Asked(
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

    private static void requireWhole(String field, long value, long least, long most) {
        require(
                value >= least && value <= most,
                field + " is " + value + ", it must lie in [" + least + ", " + most + "]");
    }

    // Not a number is in no range.
    private static void requireIn(String field, double value, double least, double most) {
        require(
                value >= least && value <= most,
                field + " is " + value + ", it must lie in [" + least + ", " + most + "]");
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
