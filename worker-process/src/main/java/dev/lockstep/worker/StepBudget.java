package dev.lockstep.worker;

/// What a step may hold.
///
/// @param tokens at the beginning of their sequences
/// @param doublingPosition where a token takes twice the time it takes at the beginning, because of
///   all it attends to; 0 when nobody measured
record StepBudget(int tokens, int doublingPosition) {}
