// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.util.Arrays;
import java.util.Optional;

/// The blocks that one waiting sequence can share: full blocks at the beginning of every KV group,
/// and then the beginning of one more, which is copied.
///
/// A window group needs only the blocks of the window before the end of the match. One instance is
/// used for all look-ups in turn.
final class PrefixMatch {
    private final KvPools pools;
    private final int blockSize;
    private final BlockHasher hasher;
    private final Optional<StateSnapshots> states;

    private int blocks;
    private int partialTokens;
    private long producer;
    private final int[] partialSource;
    // [group][index], valid from firstNeeded[group] on.
    private final int[][] found;
    private final int[] firstNeeded;
    private final int[] revived;

    /// @param states present in models with states
    PrefixMatch(KvPools pools, BlockHasher hasher, Optional<StateSnapshots> states) {
        this.states = states;
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

    /// Drops the partial block from the match.
    void dropPartial() {
        partialTokens = 0;
        countRevived();
    }

    /// Number of full blocks in each group.
    int blocks() {
        return blocks;
    }

    /// Number of full blocks of a group that its window has not passed.
    int held(int group) {
        return Math.max(0, blocks - firstNeeded[group]);
    }

    /// Number of matching tokens in the block after the full ones.
    int partialTokens() {
        return partialTokens;
    }

    int partialSource(int group) {
        return partialSource[group];
    }

    int tokens() {
        return blocks * blockSize + partialTokens;
    }

    /// Arrival of the sequence that computed the last block of the match, or -1.
    long producer() {
        return producer;
    }

    /// Number of matched blocks of a pool that are free.
    int revived(int pool) {
        return revived[pool];
    }

    /// Returns how many full blocks can be shared, by name only.
    int countBlocks(Sequence sequence, int max) {
        int limit = Math.min(max / blockSize, sequence.names().count());
        int full = 0;
        while (full < limit && isInFullGroups(sequence, full)) {
            full++;
        }
        int length = fitWindows(sequence, full);
        return states.isPresent() ? fitStates(states.get(), sequence, length) : length;
    }

    /// Returns the longest match of at most `max` blocks that has its windows and ends at a
    /// snapshot.
    private int fitStates(StateSnapshots snapshots, Sequence sequence, int max) {
        int length = max;
        int found = snapshots.longest(sequence, length);
        while (found < length) {
            length = fitWindows(sequence, found);
            found = snapshots.longest(sequence, length);
        }
        return length;
    }

    private boolean isInFullGroups(Sequence sequence, int index) {
        for (int group = 0; group < pools.groupCount(); group++) {
            if (pools.isFull(group) && pools.find(sequence, group, index) == PrefixCache.NONE) {
                return false;
            }
        }
        return true;
    }

    /// Returns the longest match of at most `max` blocks for which every window group has its
    /// window.
    private int fitWindows(Sequence sequence, int max) {
        int length = max;
        for (int group = 0; group < pools.groupCount(); group++) {
            if (pools.isFull(group)) {
                continue;
            }
            for (int index = length - 1; index >= firstNeeded(group, length); index--) {
                if (pools.find(sequence, group, index) == PrefixCache.NONE) {
                    // A match must not need this block: start again with all groups.
                    length = index;
                    group = -1;
                    break;
                }
            }
        }
        return length;
    }

    /// Index of the first block that a query after `length` blocks reads.
    private int firstNeeded(int group, int length) {
        return pools.isFull(group)
                ? 0
                : Math.max(0, length * blockSize - pools.group(group).window() + 1) / blockSize;
    }

    /// Looks up the ids of `sequence`, at most `max` tokens.
    void find(Sequence sequence, int max) {
        blocks = countBlocks(sequence, max);
        for (int group = 0; group < pools.groupCount(); group++) {
            firstNeeded[group] = firstNeeded(group, blocks);
            ensureLength(group, blocks);
            for (int index = firstNeeded[group]; index < blocks; index++) {
                found[group][index] = pools.find(sequence, group, index);
            }
        }
        if (states.isEmpty()) {
            findPartial(sequence, Math.min(max - blocks * blockSize, blockSize - 1));
        }
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

    private void ensureLength(int group, int length) {
        if (found[group].length < length) {
            found[group] = Arrays.copyOf(found[group], Math.max(length, found[group].length * 2));
        }
    }

    private void findPartial(Sequence sequence, int max) {
        int common = max;
        for (int group = 0; group < pools.groupCount() && common > 0; group++) {
            if (firstNeeded[group] == blocks && blocks > 0) {
                // A window of one token: there is no block to continue.
                partialTokens = 0;
                return;
            }
            int before = blocks == 0 ? PrefixCache.NONE : found[group][blocks - 1];
            PrefixCache cache = pools.cacheOf(group);
            partialSource[group] =
                    cache.findPartial(
                            group,
                            before,
                            sequence.names().root(hasher),
                            sequence,
                            blocks * blockSize,
                            common);
            common = Math.min(common, cache.matched());
        }
        partialTokens = Math.max(0, common);
    }

    /// Shares the blocks of a running sequence with the same first `max` ids, if that is more than
    /// was found.
    void share(Sequence leader, int max) {
        int common = Math.min(max, leader.computed());
        int full = common / blockSize;
        // The state of a leader is that after all it has computed, not that after the first
        // `common`
        // ids: only snapshots can be shared.
        if (common <= tokens() || states.isPresent()) {
            return;
        }
        for (int group = 0; group < pools.groupCount(); group++) {
            // Blocks that the window of the leader has passed are gone.
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
            ensureLength(group, full);
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
            // The source of a copy is retained while the plan is made, so it is not free for
            // others.
            if (partialTokens > 0 && pools.pool(pool).references(partialSource[group]) == 0) {
                revived[pool]++;
            }
        }
    }

    /// Makes the sequence a holder of the blocks found.
    void take(Sequence sequence) {
        if (blocks > 0) {
            states.ifPresent(snapshots -> snapshots.load(sequence, blocks));
        }
        for (int group = 0; group < pools.groupCount(); group++) {
            BlockTable table = sequence.blocks().table(group);
            table.appendDropped(firstNeeded[group] < blocks ? firstNeeded[group] : blocks);
            for (int index = firstNeeded[group]; index < blocks; index++) {
                pools.pool(pools.poolOf(group)).retain(found[group][index]);
                table.append(found[group][index]);
            }
        }
    }
}
