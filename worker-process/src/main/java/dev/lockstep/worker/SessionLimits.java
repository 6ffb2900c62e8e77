// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// The limits of the steps and sequences of an epoch.
///
/// @param maxTokens tokens of a step
/// @param maxSequences slots, and rows of a step
/// @param maxPositions prompt and output tokens of a sequence
/// @param blockSize tokens of a KV block
record SessionLimits(int maxTokens, int maxSequences, int maxPositions, int blockSize) {}
