// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.SamplingSettings;

/// The outputs that a sequence requests in addition to its next tokens.
///
/// @param from the first position whose output is requested
/// @param logprobs whether log-probabilities of the prompt tokens after `from` are requested
/// @param topLogprobs number of most likely ids at each of those positions
/// @param hiddenStates whether the hidden states of `from` and all later positions are requested
/// @param secondText the first position whose token has type 1; 0 if none has
record OutputSettings(
        int from,
        boolean logprobs,
        int topLogprobs,
        boolean hiddenStates,
        Pooling pooling,
        int secondText) {
    static final OutputSettings NONE = new OutputSettings(0, false, 0, false, Pooling.NONE);

    /// How one vector is computed from a prompt's hidden states.
    enum Pooling {
        NONE,
        MEAN,
        LAST,
        CLS,
        MAX,
        WEIGHTED_MEAN
    }

    OutputSettings {
        if (from < 0 || topLogprobs < 0 || topLogprobs > SamplingSettings.MAX_TOP_LOGPROBS) {
            throw new IllegalArgumentException(
                    "outputs from position %d with the %d most likely ids, at most %d"
                            .formatted(from, topLogprobs, SamplingSettings.MAX_TOP_LOGPROBS));
        }
        if (secondText < 0) {
            throw new IllegalArgumentException(
                    "second_text is %d, the least is 0".formatted(secondText));
        }
    }

    OutputSettings(
            int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
        this(from, logprobs, topLogprobs, hiddenStates, pooling, 0);
    }

    /// Returns the token type of a position.
    int tokenType(int position) {
        return secondText > 0 && position >= secondText ? 1 : 0;
    }

    boolean readsHiddenStates() {
        return hiddenStates || pooling != Pooling.NONE;
    }
}
