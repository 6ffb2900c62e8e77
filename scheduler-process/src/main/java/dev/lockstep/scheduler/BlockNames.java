// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.PromptSpans;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The names of a sequence's full blocks: a hash chain over its ids that begins with its cache
/// domain. Names are computed once and survive a preemption.
///
/// At the positions of whole spans of the prompt the ids are marked ([PromptSpans]).
final class BlockNames {
    private final Sequence sequence;
    private int markedTo;

    // High and low word alternate.
    private long[] words = new long[0];
    private int count;
    private @Nullable BlockHash root;

    BlockNames(Sequence sequence) {
        this.sequence = sequence;
    }

    /// Blocks that have a name.
    int count() {
        return count;
    }

    /// Computes the names of the first `blocks` full blocks, whose ids must be known.
    void extendTo(int blocks, KvPools pools, BlockHasher hasher) {
        int blockSize = pools.blockSize();
        int end = PromptSpans.end(sequence.promptLength(), pools.promptSpan());
        if (end != markedTo) {
            // Workers of another kind have formed the group.
            markedTo = end;
            count = 0;
        }
        if (count >= blocks) {
            return;
        }
        if (words.length < 2 * blocks) {
            words = Arrays.copyOf(words, Math.max(2 * blocks, 2 * words.length));
        }
        BlockHash first = root(hasher);
        for (int block = count; block < blocks; block++) {
            long high = block == 0 ? first.high() : words[2 * block - 2];
            long low = block == 0 ? first.low() : words[2 * block - 1];
            int from = block * blockSize;
            int[] prompt = sequence.prompt();
            if (from >= markedTo && from + blockSize <= prompt.length) {
                hasher.next(high, low, prompt, from, blockSize, words, 2 * block);
            } else if (from >= prompt.length) {
                int[] outputs = sequence.outputs();
                hasher.next(high, low, outputs, from - prompt.length, blockSize, words, 2 * block);
            } else {
                int[] ids = new int[blockSize];
                copyIds(from, ids);
                hasher.next(high, low, ids, 0, blockSize, words, 2 * block);
            }
        }
        count = blocks;
    }

    /// Copies the ids from `position` on, which must be known, as they are named.
    void copyIds(int position, int[] ids) {
        for (int i = 0; i < ids.length; i++) {
            ids[i] = id(position + i);
        }
    }

    /// Returns a known id as it is named.
    int id(int position) {
        int id = sequence.id(position);
        return position < markedTo ? PromptSpans.marked(id) : id;
    }

    /// Returns the root of the chain.
    BlockHash root(BlockHasher hasher) {
        if (root == null) {
            root = hasher.root(sequence.options().cacheDomain().words());
        }
        return root;
    }

    BlockHash get(int block) {
        return new BlockHash(high(block), low(block));
    }

    long high(int block) {
        return words[2 * block];
    }

    long low(int block) {
        return words[2 * block + 1];
    }
}
