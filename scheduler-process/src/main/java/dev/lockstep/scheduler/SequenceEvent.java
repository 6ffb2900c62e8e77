package dev.lockstep.scheduler;

/// Something that happened to a sequence and that its request must hear of, in order.
sealed interface SequenceEvent {
    Sequence sequence();

    /// `position` counts from the first generated token.
    record Generated(Sequence sequence, int position, Token token) implements SequenceEvent {}

    record Stopped(Sequence sequence, int stopTokenId) implements SequenceEvent {}

    record LengthReached(Sequence sequence) implements SequenceEvent {}

    /// Its deadline passed.
    record Expired(Sequence sequence) implements SequenceEvent {}
}
