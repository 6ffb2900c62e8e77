package dev.lockstep.worker;

/// The largest step and sequence of an epoch.
///
/// @param maxTokens tokens of a step
/// @param maxSequences slots, and rows of a step
/// @param maxPositions prompt and output of a sequence
/// @param blockSize tokens a KV block holds
record SessionLimits(int maxTokens, int maxSequences, int maxPositions, int blockSize) {}
