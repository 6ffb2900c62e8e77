package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Gives sequences the blocks of every KV group: a table per group, a pool per block size.
///
/// A plan reserves before it takes: [#tryReserve] sets blocks aside for a sequence in the order the
/// capacity scheduler asks, and [#extend] takes them when a row's token count is known. So a chunk
/// may grow into what nobody reserved, and never into what an older sequence needs.
final class KvCacheManager {
    private final int blockSize;
    private final int groupCount;
    private final int[] poolOfGroup;
    private final BlockPool[] pools;
    private final int[] groupsInPool;
    // Of the plan being made.
    private final int[] reserved;
    // Held by tables that were retired and wait for the steps sent before.
    private final int[] returning;
    private final int[][] noBlocks;

    KvCacheManager(List<KvGroup> groups, int blocks, int blockSize) {
        this.blockSize = blockSize;
        this.groupCount = groups.size();
        this.poolOfGroup = new int[groupCount];
        var sizes = new ArrayList<Long>();
        for (int group = 0; group < groupCount; group++) {
            long bytes = groups.get(group).bytesPerBlock();
            if (groups.get(group).kind() != KvGroup.Kind.FULL) {
                throw new IllegalArgumentException(
                        "KV group "
                                + group
                                + " is of kind "
                                + groups.get(group).kind()
                                + "; only FULL is served");
            }
            if (!sizes.contains(bytes)) {
                sizes.add(bytes);
            }
            poolOfGroup[group] = sizes.indexOf(bytes);
        }
        pools = new BlockPool[sizes.size()];
        groupsInPool = new int[pools.length];
        reserved = new int[pools.length];
        returning = new int[pools.length];
        for (int pool = 0; pool < pools.length; pool++) {
            pools[pool] = new BlockPool(blocks);
        }
        for (int pool : poolOfGroup) {
            groupsInPool[pool]++;
        }
        noBlocks = new int[groupCount][0];
    }

    BlockTable[] newTables() {
        var tables = new BlockTable[groupCount];
        for (int group = 0; group < groupCount; group++) {
            tables[group] = new BlockTable();
        }
        return tables;
    }

    /// The most tokens a sequence alone in the pools can hold.
    int mostTokens() {
        int most = Integer.MAX_VALUE;
        for (int pool = 0; pool < pools.length; pool++) {
            most = Math.min(most, pools[pool].usable() / groupsInPool[pool] * blockSize);
        }
        return most;
    }

    /// Over all pools.
    long usableBlocks() {
        long blocks = 0;
        for (var pool : pools) {
            blocks += pool.usable();
        }
        return blocks;
    }

    long freeBlocks() {
        long blocks = 0;
        for (var pool : pools) {
            blocks += pool.freeCount();
        }
        return blocks;
    }

    void beginPlan() {
        Arrays.fill(reserved, 0);
    }

    /// Sets aside what `sequence` lacks to hold `length` tokens, if the free blocks allow it.
    boolean tryReserve(Sequence sequence, int length) {
        return tryReserve(sequence, length, false);
    }

    /// The same, counting also blocks that return when the steps sent before have completed.
    boolean tryReserveReturning(Sequence sequence, int length) {
        return tryReserve(sequence, length, true);
    }

    private boolean tryReserve(Sequence sequence, int length, boolean countReturning) {
        int missing = missingBlocks(sequence, length);
        for (int pool = 0; pool < pools.length; pool++) {
            int available =
                    pools[pool].freeCount()
                            + (countReturning ? returning[pool] : 0)
                            - reserved[pool];
            if (missing * groupsInPool[pool] > available) {
                return false;
            }
        }
        for (int pool = 0; pool < pools.length; pool++) {
            reserved[pool] += missing * groupsInPool[pool];
        }
        sequence.reserve(missing);
        return true;
    }

    /// The length `sequence` may grow to now: its own reservation and what nobody reserved.
    int room(Sequence sequence) {
        int blocks = Integer.MAX_VALUE;
        for (int pool = 0; pool < pools.length; pool++) {
            int open = Math.max(0, pools[pool].freeCount() - reserved[pool]);
            blocks = Math.min(blocks, sequence.reserved() + open / groupsInPool[pool]);
        }
        return (sequence.blockCount() + blocks) * blockSize;
    }

    /// Appends the blocks `sequence` lacks to hold `length` tokens and returns them, per KV group.
    int[][] extend(Sequence sequence, int length) {
        int missing = missingBlocks(sequence, length);
        for (int pool = 0; pool < pools.length; pool++) {
            reserved[pool] -= sequence.reserved() * groupsInPool[pool];
        }
        sequence.reserve(0);
        if (missing == 0) {
            return noBlocks;
        }
        var blocks = new int[groupCount][missing];
        for (int group = 0; group < groupCount; group++) {
            for (int i = 0; i < missing; i++) {
                blocks[group][i] = pools[poolOfGroup[group]].allocate();
                sequence.tables()[group].append(blocks[group][i]);
            }
        }
        return blocks;
    }

    private int missingBlocks(Sequence sequence, int length) {
        return Math.max(0, Math.ceilDiv(length, blockSize) - sequence.blockCount());
    }

    /// Announces tables whose blocks come back later, by [#release].
    void retire(BlockTable[] tables) {
        for (int group = 0; group < groupCount; group++) {
            returning[poolOfGroup[group]] += tables[group].size();
        }
    }

    void releaseRetired(BlockTable[] tables) {
        for (int group = 0; group < groupCount; group++) {
            returning[poolOfGroup[group]] -= tables[group].size();
        }
        release(tables);
    }

    /// Gives every block back, last position first: of two free blocks of a sequence the later one,
    /// worth less to others, is reused first.
    void release(BlockTable[] tables) {
        for (int group = 0; group < groupCount; group++) {
            var pool = pools[poolOfGroup[group]];
            for (int i = tables[group].size() - 1; i >= 0; i--) {
                pool.release(tables[group].block(i));
            }
        }
    }

    /// Throws unless the pools count exactly the blocks in `held`, and as returning those in
    /// `retired`.
    void checkIntegrity(List<BlockTable[]> held, List<BlockTable[]> retired) {
        var found = new int[pools.length][];
        for (int pool = 0; pool < pools.length; pool++) {
            found[pool] = new int[pools[pool].usable() + 1];
        }
        int[] away = new int[pools.length];
        held.forEach(tables -> count(tables, found));
        for (var tables : retired) {
            count(tables, found);
            for (int group = 0; group < groupCount; group++) {
                away[poolOfGroup[group]] += tables[group].size();
            }
        }
        for (int pool = 0; pool < pools.length; pool++) {
            pools[pool].checkIntegrity(found[pool]);
            if (away[pool] != returning[pool]) {
                throw new IllegalStateException(
                        "pool "
                                + pool
                                + " counts "
                                + returning[pool]
                                + " returning blocks, found "
                                + away[pool]);
            }
        }
    }

    private void count(BlockTable[] tables, int[][] found) {
        for (int group = 0; group < groupCount; group++) {
            for (int i = 0; i < tables[group].size(); i++) {
                found[poolOfGroup[group]][tables[group].block(i)]++;
            }
        }
    }
}
