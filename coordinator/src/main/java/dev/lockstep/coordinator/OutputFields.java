// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.SentencePooling;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.proto.v1.Pooling;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// The fields that request outputs in addition to generated tokens, the same in chat and
/// completions.
///
/// @param promptLogprobs the number of most likely tokens to report with each prompt token; empty
///   for no log-probabilities of the prompt
record OutputFields(OptionalInt promptLogprobs, boolean hiddenStates, Pooling pooling) {
    static final String POOLING = "pooling";

    /// The value of [#POOLING] for the vectors of the model's own files.
    static final String OF_MODEL = "model";

    static final String HIDDEN_STATES = "return_hidden_states";

    static OutputFields parse(Fields fields) {
        return new OutputFields(
                fields.integer("prompt_logprobs", 0, SamplingFields.MAX_LOGPROBS),
                fields.flag(HIDDEN_STATES, false),
                pooling(fields).map(OutputFields::requested).orElse(Pooling.POOLING_UNSPECIFIED));
    }

    /// Reads how the vectors of tokens become one; empty for the model's way.
    static Optional<SentencePooling> pooling(Fields fields) {
        JsonNode value = fields.value(POOLING);
        if (value.isMissingNode() || value.asText().equals(OF_MODEL)) {
            return Optional.empty();
        }
        return Optional.of(
                switch (Fields.text(fields.name(POOLING), value)) {
                    case "mean" -> SentencePooling.MEAN;
                    case "last" -> SentencePooling.LAST;
                    case "cls" -> SentencePooling.CLS;
                    case "max" -> SentencePooling.MAX;
                    case "weighted_mean" -> SentencePooling.WEIGHTED_MEAN;
                    default ->
                            throw Fields.outside(
                                    fields.name(POOLING),
                                    value,
                                    "{mean, last, cls, max, weighted_mean, model}");
                });
    }

    private static Pooling requested(SentencePooling pooling) {
        return new VectorForm(pooling, List.of(), false, Integer.MAX_VALUE).workerPooling();
    }

    boolean any() {
        return promptOutputs().any();
    }

    /// Returns these fields plus log-probabilities of the prompt, which `echo` needs.
    OutputFields withPromptLogprobs(int top) {
        int max = Math.max(top, promptLogprobs.orElse(0));
        return new OutputFields(OptionalInt.of(max), hiddenStates, pooling);
    }

    /// Returns the outputs to request of each prompt.
    RequestedOutputs promptOutputs() {
        return new RequestedOutputs(
                0, promptLogprobs.isPresent(), promptLogprobs.orElse(0), hiddenStates, pooling);
    }

    /// Refuses pooling in a request that generates tokens.
    void requireNoTokensWithPooling(Fields fields, OptionalInt maxTokens) {
        if (pooling != Pooling.POOLING_UNSPECIFIED && maxTokens.orElse(1) != 0) {
            throw ApiError.invalid(
                    fields.name(POOLING),
                    fields.name(POOLING) + " is given, then max_tokens must be 0");
        }
    }

    /// Refuses several choices where no tokens are generated, so that they could not differ.
    void requireOneChoice(Sampling sampling) {
        if (!sampling.generates() && any() && sampling.choices() > 1) {
            throw ApiError.invalid(
                    "n", "n is " + sampling.choices() + " and max_tokens 0, then n must be 1");
        }
    }

    /// Refuses outputs that are only served over gRPC.
    static void refuseGrpcOnly(Fields fields) {
        for (String field : new String[] {HIDDEN_STATES, POOLING}) {
            boolean off = fields.value(field).isBoolean() && !fields.value(field).booleanValue();
            if (fields.has(field) && !off) {
                throw ApiError.unserved(
                        fields.name(field),
                        fields.name(field)
                                + " is served over gRPC, and a pooled vector at /v1/embeddings");
            }
        }
    }
}
