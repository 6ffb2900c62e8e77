package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.Pooling;

/// What is wanted of one prompt beside generated tokens.
///
/// @param from the first position whose output is wanted
/// @param logprobs of the prompt tokens behind it, and of `topLogprobs` likely ones at their places
/// @param hiddenStates of generated positions too
public record PromptOutputs(
        int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
    static final PromptOutputs NONE =
            new PromptOutputs(0, false, 0, false, Pooling.POOLING_UNSPECIFIED);

    /// One vector of a prompt.
    public static PromptOutputs pooled(Pooling pooling, int promptLength) {
        int from = pooling == Pooling.POOLING_LAST ? promptLength - 1 : 0;
        return new PromptOutputs(from, false, 0, false, pooling);
    }

    /// Log-probabilities of all tokens from position `first` on.
    public static PromptOutputs scored(int first) {
        return new PromptOutputs(first - 1, true, 0, false, Pooling.POOLING_UNSPECIFIED);
    }

    public boolean any() {
        return logprobs || hiddenStates || pooling != Pooling.POOLING_UNSPECIFIED;
    }

    dev.lockstep.proto.v1.PromptOutputs toProto() {
        return dev.lockstep.proto.v1.PromptOutputs.newBuilder()
                .setFrom(from)
                .setLogprobs(logprobs)
                .setTopLogprobs(topLogprobs)
                .setHiddenStates(hiddenStates)
                .setPooling(pooling)
                .build();
    }
}
