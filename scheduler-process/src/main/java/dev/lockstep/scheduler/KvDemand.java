// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Computes how many blocks sequences need, from the shape and the blocks that a sequence already
/// has.
///
/// A full group holds every position. A window group holds at most the window and what a step adds,
/// which is less in a small pool.
final class KvDemand {
    private final KvPools pools;
    private final int blockSize;
    private final int maxBatchedTokens;
    private final int chunkBlocks;

    KvDemand(KvPools pools, int maxBatchedTokens) {
        this.pools = pools;
        this.blockSize = pools.blockSize();
        this.maxBatchedTokens = maxBatchedTokens;
        this.chunkBlocks = Math.ceilDiv(maxBatchedTokens, blockSize) + 1;
    }

    /// The maximum number of tokens that a sequence can hold when it runs alone.
    int maxTokens() {
        int max = Integer.MAX_VALUE;
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            max = Math.min(max, maxTokens(pool));
        }
        return max;
    }

    private int maxTokens(int pool) {
        int full = 0;
        int left = pools.usable(pool);
        for (int group = 0; group < pools.groupCount(); group++) {
            if (pools.poolOf(group) == pool) {
                if (pools.isFull(group)) {
                    full++;
                } else {
                    left -= windowBlocks(pools.group(group), 1);
                }
            }
        }
        if (left < 0) {
            return Math.max(0, pools.usable(pool) / pools.groupsIn(pool) * blockSize);
        }
        return full == 0 ? Integer.MAX_VALUE : left / full * blockSize;
    }

    /// Number of blocks that cover the window of a row of `count` tokens and its positions.
    private int windowBlocks(KvGroupShape group, int count) {
        return Math.ceilDiv(group.window() - 1 + count, blockSize) + 1;
    }

    /// Number of blocks that a running sequence lacks, in each group, to hold `length` tokens.
    /// Window groups free blocks while a long prompt runs, so the number is then at most what one
    /// step can fill.
    int missing(Sequence sequence, int length) {
        int missing = Math.max(0, Math.ceilDiv(length, blockSize) - sequence.blocks().count());
        return pools.windows() ? Math.min(missing, chunkBlocks) : missing;
    }

    /// Number of blocks of a group that must be free to admit a sequence that lacks `missing`: all
    /// of them in a full group; in a window group what one step can fill, and no more than half of
    /// a small pool, or than full groups of the same pool leave.
    int toAdmit(int group, int missing) {
        if (pools.isFull(group)) {
            return missing;
        }
        int pool = pools.poolOf(group);
        int full = pools.fullGroupsIn(pool);
        int half = pools.usable(pool) / (2 * pools.groupsIn(pool));
        int left = (pools.usable(pool) - full * missing) / (pools.groupsIn(pool) - full);
        int share = Math.max(1, Math.min(half, left));
        return Math.min(missing, Math.min(chunkBlocks, share));
    }

    /// The maximum number of blocks that a sequence holds at once in a group.
    int toFinish(Sequence sequence, int group) {
        int all = Math.ceilDiv(sequence.finalLength(), blockSize);
        return pools.isFull(group)
                ? all
                : Math.min(all, windowBlocks(pools.group(group), maxBatchedTokens));
    }
}
