// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PromptOutputs;

/// The outputs requested of one prompt in addition to generated tokens.
///
/// @param from the first position whose output is requested
/// @param logprobs whether to return log-probabilities of the prompt tokens after `from`, and of
///   the `topLogprobs` most likely tokens at their positions
/// @param hiddenStates whether to return hidden states, of generated positions too
/// @param secondText the first position whose token has type 1; 0 if none has
public record RequestedOutputs(
        int from,
        boolean logprobs,
        int topLogprobs,
        boolean hiddenStates,
        Pooling pooling,
        int secondText) {
    static final RequestedOutputs NONE =
            new RequestedOutputs(0, false, 0, false, Pooling.POOLING_UNSPECIFIED);

    public RequestedOutputs(
            int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
        this(from, logprobs, topLogprobs, hiddenStates, pooling, 0);
    }

    /// Requests one vector of a prompt.
    ///
    /// @param from the first position that may be pooled; the last one is always
    public static RequestedOutputs pooled(Pooling pooling, int from, int promptLength) {
        int last = promptLength - 1;
        int first = pooling == Pooling.POOLING_LAST ? last : Math.min(from, last);
        return new RequestedOutputs(Math.max(0, first), false, 0, false, pooling);
    }

    /// Returns these outputs of a prompt whose tokens from a position on have type 1.
    public RequestedOutputs withSecondText(int first) {
        return new RequestedOutputs(from, logprobs, topLogprobs, hiddenStates, pooling, first);
    }

    /// Requests the log-probabilities of all tokens from position `first` on.
    public static RequestedOutputs scored(int first) {
        return new RequestedOutputs(first - 1, true, 0, false, Pooling.POOLING_UNSPECIFIED);
    }

    public boolean any() {
        return logprobs || hiddenStates || pooling != Pooling.POOLING_UNSPECIFIED;
    }

    PromptOutputs toProto() {
        return PromptOutputs.newBuilder()
                .setFrom(from)
                .setLogprobs(logprobs)
                .setTopLogprobs(topLogprobs)
                .setHiddenStates(hiddenStates)
                .setPooling(pooling)
                .setSecondText(secondText)
                .build();
    }
}
