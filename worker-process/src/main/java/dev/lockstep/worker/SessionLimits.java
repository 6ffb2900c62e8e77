// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// The limits of the steps and sequences of an epoch.
///
/// @param maxTokens tokens of a step
/// @param maxSequences slots, and rows of a step
/// @param maxPositions prompt and output tokens of a sequence
/// @param blockSize tokens of a KV block
/// @param promptSpan the length of the aligned spans of positions that are expanded where all of a
///   span belongs to the prompt, a multiple of the block size; 0 where none are
record SessionLimits(
        int maxTokens, int maxSequences, int maxPositions, int blockSize, int promptSpan) {

    SessionLimits {
        if (promptSpan % blockSize != 0) {
            throw new IllegalArgumentException(
                    "spans of %d positions, must be a multiple of blocks of %d"
                            .formatted(promptSpan, blockSize));
        }
    }

    /// Creates limits of a model that expands nothing.
    SessionLimits(int maxTokens, int maxSequences, int maxPositions, int blockSize) {
        this(maxTokens, maxSequences, maxPositions, blockSize, 0);
    }
}
