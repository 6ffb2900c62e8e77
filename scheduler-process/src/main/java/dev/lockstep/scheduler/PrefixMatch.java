package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.util.Arrays;

/// What one waiting sequence can share: full blocks at the beginning of every KV group, and then
/// the beginning of one more, which is copied.
///
/// A window group needs only the blocks of the window before the end of the match. Made once and
/// used again for each look-up.
final class PrefixMatch {
    private final KvPools pools;
    private final int blockSize;
    private final BlockHasher hasher;

    private int blocks;
    private int partialTokens;
    private long producer;
    private final int[] partialSource;
    // [group][index], null block before a window.
    private final int[][] found;
    private final int[] firstNeeded;
    private final int[] revived;

    PrefixMatch(KvPools pools, BlockHasher hasher) {
        this.pools = pools;
        this.blockSize = pools.blockSize();
        this.hasher = hasher;
        int groups = pools.groupCount();
        partialSource = new int[groups];
        found = new int[groups][64];
        firstNeeded = new int[groups];
        revived = new int[pools.poolCount()];
    }

    void reset() {
        blocks = 0;
        partialTokens = 0;
        producer = -1;
        Arrays.fill(revived, 0);
    }

    /// Makes do with whole blocks.
    void dropPartial() {
        partialTokens = 0;
        countRevived();
    }

    /// Full blocks of each group.
    int blocks() {
        return blocks;
    }

    /// Of those, the ones that are not behind the window of the group.
    int held(int group) {
        return Math.max(0, blocks - firstNeeded[group]);
    }

    /// Tokens of the block behind them.
    int partialTokens() {
        return partialTokens;
    }

    int partialSource(int group) {
        return partialSource[group];
    }

    int tokens() {
        return blocks * blockSize + partialTokens;
    }

    /// Arrival of who computed the last block of the match, or -1.
    long producer() {
        return producer;
    }

    /// Free blocks of a pool among those matched.
    int revived(int pool) {
        return revived[pool];
    }

    /// Full blocks that could be shared, by name only.
    int countBlocks(Sequence sequence, int most) {
        int limit = Math.min(most / blockSize, sequence.names().count());
        int full = 0;
        while (full < limit && isInFullGroups(sequence, full)) {
            full++;
        }
        return fitWindows(sequence, full);
    }

    private boolean isInFullGroups(Sequence sequence, int index) {
        for (int group = 0; group < pools.groupCount(); group++) {
            if (pools.isFull(group) && pools.find(sequence, group, index) == PrefixCache.NONE) {
                return false;
            }
        }
        return true;
    }

    /// The longest match up to `most` blocks for which every window group has its window.
    private int fitWindows(Sequence sequence, int most) {
        int length = most;
        for (int group = 0; group < pools.groupCount(); group++) {
            if (pools.isFull(group)) {
                continue;
            }
            for (int index = length - 1; index >= firstNeeded(group, length); index--) {
                if (pools.find(sequence, group, index) == PrefixCache.NONE) {
                    // No match may need this block: begin again with all groups.
                    length = index;
                    group = -1;
                    break;
                }
            }
        }
        return length;
    }

    /// The first block that a query behind `length` blocks reads.
    private int firstNeeded(int group, int length) {
        return pools.isFull(group)
                ? 0
                : Math.max(0, length * blockSize - pools.group(group).window() + 1) / blockSize;
    }

    /// Looks for the ids of `sequence`, at most `most` tokens.
    void find(Sequence sequence, int most) {
        blocks = countBlocks(sequence, most);
        for (int group = 0; group < pools.groupCount(); group++) {
            firstNeeded[group] = firstNeeded(group, blocks);
            reach(group, blocks);
            for (int index = firstNeeded[group]; index < blocks; index++) {
                found[group][index] = pools.find(sequence, group, index);
            }
        }
        findPartial(sequence, Math.min(most - blocks * blockSize, blockSize - 1));
        findProducer();
        countRevived();
    }

    private void findProducer() {
        int last =
                partialTokens > 0
                        ? partialSource[0]
                        : firstNeeded[0] < blocks ? found[0][blocks - 1] : PrefixCache.NONE;
        if (last != PrefixCache.NONE) {
            int arrival = pools.cacheOf(0).producer(last);
            producer = arrival == -1 ? -1 : Integer.toUnsignedLong(arrival);
        }
    }

    private void reach(int group, int length) {
        if (found[group].length < length) {
            found[group] = Arrays.copyOf(found[group], Math.max(length, found[group].length * 2));
        }
    }

    private void findPartial(Sequence sequence, int most) {
        int least = most;
        for (int group = 0; group < pools.groupCount() && least > 0; group++) {
            if (firstNeeded[group] == blocks && blocks > 0) {
                // A window of one token: there is no block to continue.
                partialTokens = 0;
                return;
            }
            int before = blocks == 0 ? PrefixCache.NONE : found[group][blocks - 1];
            var cache = pools.cacheOf(group);
            partialSource[group] =
                    cache.findPartial(
                            group,
                            before,
                            sequence.names().root(hasher),
                            sequence,
                            blocks * blockSize,
                            least);
            least = Math.min(least, cache.matched());
        }
        partialTokens = Math.max(0, least);
    }

    /// Shares the blocks of a running sequence with the same first `most` ids, if that is more than
    /// was found.
    void share(Sequence leader, int most) {
        int common = Math.min(most, leader.computed());
        int full = common / blockSize;
        if (common <= tokens()) {
            return;
        }
        for (int group = 0; group < pools.groupCount(); group++) {
            // What the leader's window has left behind is gone.
            if (leader.blocks().table(group).dropped() > firstNeeded(group, full)
                    || leader.blocks().table(group).size() < Math.ceilDiv(common, blockSize)) {
                return;
            }
        }
        blocks = full;
        producer = leader.arrival();
        partialTokens = common - full * blockSize;
        for (int group = 0; group < pools.groupCount(); group++) {
            firstNeeded[group] = firstNeeded(group, full);
            reach(group, full);
            for (int index = firstNeeded[group]; index < full; index++) {
                found[group][index] = leader.blocks().table(group).block(index);
            }
            if (partialTokens > 0) {
                partialSource[group] = leader.blocks().table(group).block(full);
            }
        }
        countRevived();
    }

    private void countRevived() {
        Arrays.fill(revived, 0);
        for (int group = 0; group < pools.groupCount(); group++) {
            int pool = pools.poolOf(group);
            for (int index = firstNeeded[group]; index < blocks; index++) {
                if (pools.pool(pool).references(found[group][index]) == 0) {
                    revived[pool]++;
                }
            }
            // Held while the plan is made, so that it is nobody's.
            if (partialTokens > 0 && pools.pool(pool).references(partialSource[group]) == 0) {
                revived[pool]++;
            }
        }
    }

    /// The sequence becomes a holder of the blocks found.
    void take(Sequence sequence) {
        for (int group = 0; group < pools.groupCount(); group++) {
            var table = sequence.blocks().table(group);
            table.appendDropped(firstNeeded[group] < blocks ? firstNeeded[group] : blocks);
            for (int index = firstNeeded[group]; index < blocks; index++) {
                pools.pool(pools.poolOf(group)).retain(found[group][index]);
                table.append(found[group][index]);
            }
        }
    }
}
