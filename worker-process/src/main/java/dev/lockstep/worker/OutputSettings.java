// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.SamplingSettings;

/// The outputs that a sequence requests in addition to its next tokens.
///
/// @param from the first position whose output is requested
/// @param logprobs whether log-probabilities of the prompt tokens after `from` are requested
/// @param topLogprobs number of most likely ids at each of those positions
/// @param hiddenStates whether the hidden states of `from` and all later positions are requested
record OutputSettings(
        int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
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
    }

    boolean readsHiddenStates() {
        return hiddenStates || pooling != Pooling.NONE;
    }
}
