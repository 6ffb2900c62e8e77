// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// What the ranks of a formed group agreed on, and the limits of one step. `blocks` includes the
/// null block 0 of every pool.
///
/// @param promptSpan the length of the aligned spans of positions that are computed in another way
///   where all of a span belongs to the prompt, a multiple of the block size: blocks have other
///   names then; 0 where all positions are computed alike
/// @param kvGroups a group of states, if there is one, is the last
/// @param doublingPosition where a token takes twice the time it takes at the beginning of its
///   sequence; 0 when it was not measured
/// @param measuredTokens tokens of a step that was measured to take at most the goal, the first
///   number of [StepTime]; 0 when `maxBatchedTokens` was given
public record GroupShape(
        long epoch,
        int maxSequences,
        int maxBatchedTokens,
        int doublingPosition,
        int measuredTokens,
        int maxModelLength,
        int blockSize,
        int promptSpan,
        int blocks,
        List<KvGroupShape> kvGroups) {

    public GroupShape {
        kvGroups = List.copyOf(kvGroups);
        requireAtLeast("max-num-seqs", maxSequences, 1);
        requireAtLeast("max-num-batched-tokens", maxBatchedTokens, 1);
        requireAtLeast("doubling position", doublingPosition, 0);
        requireAtLeast("measured tokens", measuredTokens, 0);
        if (measuredTokens > maxBatchedTokens) {
            throw new IllegalArgumentException(
                    "measured tokens is "
                            + measuredTokens
                            + ", max-num-batched-tokens "
                            + maxBatchedTokens);
        }
        requireAtLeast("max-model-len", maxModelLength, 2);
        requireAtLeast("block size", blockSize, 1);
        requireAtLeast("prompt span", promptSpan, 0);
        if (promptSpan % blockSize != 0) {
            throw new IllegalArgumentException(
                    "prompt span is " + promptSpan + ", not a multiple of blocks of " + blockSize);
        }
        requireAtLeast("KV blocks", blocks, 2);
        requireAtLeast("KV groups", kvGroups.size(), 1);
        for (int group = 0; group < kvGroups.size(); group++) {
            if ((kvGroups.get(group).kind() == KvGroupShape.Kind.NONE) != keepsNothing(kvGroups)) {
                throw new IllegalArgumentException(
                        "KV groups of kind NONE and of others, all must be of kind NONE or none");
            }
            boolean last = group == kvGroups.size() - 1;
            if (!kvGroups.get(group).isPaged() && (group == 0 || !last)) {
                throw new IllegalArgumentException(
                        "KV group "
                                + group
                                + " of "
                                + kvGroups.size()
                                + " is of kind STATE; it must be the last of several");
            }
        }
    }

    /// Creates a shape in which all positions are computed alike.
    public GroupShape(
            long epoch,
            int maxSequences,
            int maxBatchedTokens,
            int doublingPosition,
            int measuredTokens,
            int maxModelLength,
            int blockSize,
            int blocks,
            List<KvGroupShape> kvGroups) {
        this(
                epoch,
                maxSequences,
                maxBatchedTokens,
                doublingPosition,
                measuredTokens,
                maxModelLength,
                blockSize,
                0,
                blocks,
                kvGroups);
    }

    /// Creates a shape in which the time of a token does not depend on its position, and a step has
    /// a given number of tokens.
    public GroupShape(
            long epoch,
            int maxSequences,
            int maxBatchedTokens,
            int maxModelLength,
            int blockSize,
            int blocks,
            List<KvGroupShape> kvGroups) {
        this(
                epoch,
                maxSequences,
                maxBatchedTokens,
                0,
                0,
                maxModelLength,
                blockSize,
                blocks,
                kvGroups);
    }

    /// The groups that keep keys and values in blocks, of which a sequence has a table each.
    public List<KvGroupShape> pagedGroups() {
        return keepsStates() ? kvGroups.subList(0, kvGroups.size() - 1) : kvGroups;
    }

    /// Whether the last group keeps a state of each sequence instead of blocks.
    public boolean keepsStates() {
        return !kvGroups.getLast().isPaged();
    }

    /// Whether a sequence is computed whole in one step and keeps nothing, as an encoder's.
    public boolean keepsNothing() {
        return keepsNothing(kvGroups);
    }

    /// The most tokens of a sequence.
    public int longestSequence() {
        return keepsNothing() ? Math.min(maxModelLength, maxBatchedTokens) : maxModelLength;
    }

    private static boolean keepsNothing(List<KvGroupShape> groups) {
        return groups.getFirst().kind() == KvGroupShape.Kind.NONE;
    }

    private static void requireAtLeast(String name, int value, int min) {
        if (value < min) {
            throw new IllegalArgumentException(name + " is " + value + ", the least is " + min);
        }
    }
}
