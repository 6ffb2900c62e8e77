package dev.lockstep.worker;

import dev.lockstep.kernels.SamplingSettings;

/// What a sequence wants beside its next tokens.
///
/// @param from the first position whose output is wanted
/// @param logprobs of the prompt tokens behind it
/// @param topLogprobs most likely ids at each of those positions
/// @param hiddenStates of every position computed from there on
record PromptOutputs(
        int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
    static final PromptOutputs NONE = new PromptOutputs(0, false, 0, false, Pooling.NONE);

    /// How one vector is made of a prompt's hidden states.
    enum Pooling {
        NONE,
        MEAN,
        LAST
    }

    PromptOutputs {
        if (from < 0 || topLogprobs < 0 || topLogprobs > SamplingSettings.MAX_TOP_LOGPROBS) {
            throw new IllegalArgumentException(
                    "outputs from position %d with the %d most likely ids, at most %d"
                            .formatted(from, topLogprobs, SamplingSettings.MAX_TOP_LOGPROBS));
        }
    }

    boolean readsHiddenStates() {
        return hiddenStates || pooling != Pooling.NONE;
    }
}
