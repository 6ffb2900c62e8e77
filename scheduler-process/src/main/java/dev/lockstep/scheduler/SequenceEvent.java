package dev.lockstep.scheduler;


/// Something that happened to a sequence and that its request must hear of, in order.
public sealed interface SequenceEvent {
    Sequence sequence();

    /// `position` counts from the first generated token.
    record Generated(Sequence sequence, int position, SampledToken token)
            implements SequenceEvent {}

    /// Outputs of positions, each of them once and in order.
    record Computed(Sequence sequence, PositionOutputs outputs) implements SequenceEvent {}

    record Stopped(Sequence sequence, int stopTokenId) implements SequenceEvent {}

    /// It generated all it may, which may be nothing.
    record LengthReached(Sequence sequence) implements SequenceEvent {}

    /// Its deadline passed.
    record Expired(Sequence sequence) implements SequenceEvent {}
}
