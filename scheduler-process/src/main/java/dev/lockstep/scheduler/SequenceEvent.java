// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// An event of a sequence that is delivered to its request, in order.
public sealed interface SequenceEvent {
    Sequence sequence();

    /// `position` counts from the first generated token.
    record Generated(Sequence sequence, int position, SampledToken token)
            implements SequenceEvent {}

    /// Outputs of positions, each of them once and in order.
    record Computed(Sequence sequence, PositionOutputs outputs) implements SequenceEvent {}

    /// The stop id of a sequence that ended because its constraint allows nothing more.
    int NO_TOKEN = -1;

    record Stopped(Sequence sequence, int stopTokenId) implements SequenceEvent {}

    /// It generated its maximum number of tokens, which may be 0.
    record LengthReached(Sequence sequence) implements SequenceEvent {}

    /// Its deadline passed.
    record Expired(Sequence sequence) implements SequenceEvent {}

    /// The workers refuse it; the reason names the field, its value and the limit.
    record Refused(Sequence sequence, String reason) implements SequenceEvent {}
}
