// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.Pooling;

/// The outputs requested of one prompt in addition to generated tokens.
///
/// @param from the first position whose output is requested
/// @param logprobs whether to return log-probabilities of the prompt tokens after `from`, and of
///   the `topLogprobs` most likely tokens at their positions
/// @param hiddenStates whether to return hidden states, of generated positions too
public record PromptOutputs(
        int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
    static final PromptOutputs NONE =
            new PromptOutputs(0, false, 0, false, Pooling.POOLING_UNSPECIFIED);

    /// Requests one vector of a prompt.
    public static PromptOutputs pooled(Pooling pooling, int promptLength) {
        int from = pooling == Pooling.POOLING_LAST ? promptLength - 1 : 0;
        return new PromptOutputs(from, false, 0, false, pooling);
    }

    /// Requests the log-probabilities of all tokens from position `first` on.
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
