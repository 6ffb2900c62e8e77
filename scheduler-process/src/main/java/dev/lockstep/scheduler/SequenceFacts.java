// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// How far a sequence is, for whoever looks for a fault: counts, and no ids of tokens.
public record SequenceFacts(
        String request,
        int choice,
        String state,
        int promptTokens,
        int outputTokens,
        int computedTokens,
        int pendingTokens,
        int preemptions,
        int migrations) {

    public static SequenceFacts of(Sequence sequence) {
        return new SequenceFacts(
                sequence.requestId(),
                sequence.choice().index(),
                Timeline.label(sequence.state()),
                sequence.promptLength(),
                sequence.outputCount(),
                sequence.computed(),
                sequence.pending(),
                sequence.preemptions(),
                sequence.migrations());
    }
}
