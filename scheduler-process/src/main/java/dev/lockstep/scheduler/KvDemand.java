package dev.lockstep.scheduler;

/// How many blocks sequences need; arithmetic on the shape alone, but for the blocks a sequence has
/// already.
///
/// A full group holds every position. A window group holds at most the window and what a step adds,
/// which a small pool makes less.
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

    /// The most tokens a sequence alone can hold.
    int mostTokens() {
        int most = Integer.MAX_VALUE;
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            most = Math.min(most, mostTokens(pool));
        }
        return most;
    }

    private int mostTokens(int pool) {
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

    /// Blocks that cover a window before the positions of a row of `count` tokens.
    private int windowBlocks(KvGroupShape group, int count) {
        return Math.ceilDiv(group.window() - 1 + count, blockSize) + 1;
    }

    /// Blocks a running sequence lacks, in each group, to hold `length` tokens. Window groups give
    /// blocks back while a long prompt runs: there no more is asked for than one step can fill.
    int missing(Sequence sequence, int length) {
        int missing = Math.max(0, Math.ceilDiv(length, blockSize) - sequence.blockCount());
        return pools.windows() ? Math.min(missing, chunkBlocks) : missing;
    }

    /// Blocks of a group there must be to admit a sequence that lacks `missing`: all of them in a
    /// full group; in a window group what one step can fill, and no more than half of a small pool,
    /// or than full groups of the same pool leave of it.
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

    /// The most blocks a sequence will hold at once in a group.
    int toFinish(Sequence sequence, int group) {
        int all = Math.ceilDiv(sequence.finalLength(), blockSize);
        return pools.isFull(group)
                ? all
                : Math.min(all, windowBlocks(pools.group(group), maxBatchedTokens));
    }
}
