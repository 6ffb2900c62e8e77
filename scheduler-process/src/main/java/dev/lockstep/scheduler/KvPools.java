// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The blocks of every KV group: groups with equal bytes per block share a pool, and each pool has
/// a [PrefixCache] that finds its blocks by name.
///
/// Owned by the step loop's thread.
final class KvPools {
    private final int blockSize;
    private final int promptSpan;
    private final CacheEvents events;
    private final List<KvGroupShape> groups;
    private final int[] poolOfGroup;
    private final BlockPool[] pools;
    private final PrefixCache[] caches;
    private final int[] groupsInPool;
    private final int[] fullGroupsInPool;
    private final boolean windows;

    KvPools(GroupShape shape, BlockHasher hasher, CacheEvents events) {
        this.blockSize = shape.blockSize();
        this.promptSpan = shape.promptSpan();
        this.events = events;
        this.groups = shape.pagedGroups();
        poolOfGroup = new int[groups.size()];
        var sizes = new ArrayList<Long>();
        for (int group = 0; group < groups.size(); group++) {
            long bytes = groups.get(group).bytesPerBlock();
            if (!sizes.contains(bytes)) {
                sizes.add(bytes);
            }
            poolOfGroup[group] = sizes.indexOf(bytes);
        }
        pools = new BlockPool[sizes.size()];
        caches = new PrefixCache[pools.length];
        for (int pool = 0; pool < pools.length; pool++) {
            pools[pool] = new BlockPool(shape.blocks());
            caches[pool] = new PrefixCache(shape.blocks(), blockSize, hasher);
        }
        groupsInPool = new int[pools.length];
        fullGroupsInPool = new int[pools.length];
        for (int group = 0; group < poolOfGroup.length; group++) {
            groupsInPool[poolOfGroup[group]]++;
            fullGroupsInPool[poolOfGroup[group]] += isFull(group) ? 1 : 0;
        }
        windows = groups.stream().anyMatch(group -> group.kind() == KvGroupShape.Kind.WINDOW);
    }

    int blockSize() {
        return blockSize;
    }

    /// See [GroupShape].
    int promptSpan() {
        return promptSpan;
    }

    int groupCount() {
        return groups.size();
    }

    KvGroupShape group(int group) {
        return groups.get(group);
    }

    boolean isFull(int group) {
        return groups.get(group).kind() == KvGroupShape.Kind.FULL;
    }

    /// Whether any group has a window.
    boolean windows() {
        return windows;
    }

    int poolOf(int group) {
        return poolOfGroup[group];
    }

    int poolCount() {
        return pools.length;
    }

    int groupsIn(int pool) {
        return groupsInPool[pool];
    }

    /// Number of groups of a pool that keep every position.
    int fullGroupsIn(int pool) {
        return fullGroupsInPool[pool];
    }

    BlockPool pool(int pool) {
        return pools[pool];
    }

    PrefixCache cache(int pool) {
        return caches[pool];
    }

    PrefixCache cacheOf(int group) {
        return caches[poolOfGroup[group]];
    }

    int usable(int pool) {
        return pools[pool].usable();
    }

    int freeCount(int pool) {
        return pools[pool].freeCount();
    }

    long blocks() {
        return Arrays.stream(pools).mapToLong(BlockPool::usable).sum();
    }

    long freeBlocks() {
        return Arrays.stream(pools).mapToLong(BlockPool::freeCount).sum();
    }

    long cachedBlocks() {
        return Arrays.stream(pools).mapToLong(BlockPool::retainedCount).sum();
    }

    /// Expires the retention priorities whose time has come; `second` never decreases.
    void advanceTo(long second) {
        for (BlockPool pool : pools) {
            pool.advanceTo(second);
        }
    }

    /// Allocates a block for a group and removes its old name from the prefix cache.
    int allocate(int group) {
        int pool = poolOfGroup[group];
        int block = pools[pool].allocate();
        if (caches[pool].isNamed(block)) {
            if (caches[pool].group(block) == 0) {
                events.removed(caches[pool].name(block));
            }
            caches[pool].forget(block);
        }
        return block;
    }

    /// Removes a holder; a block without a name gets priority [BlockPool#WORTHLESS] once it is
    /// free.
    void release(int pool, int block, int retention, int ttlSeconds) {
        boolean named = caches[pool].isNamed(block);
        pools[pool].release(block, named ? retention : BlockPool.WORTHLESS, ttlSeconds);
    }

    /// Returns the block with the name of a sequence's block, which need not be the same block, or
    /// [PrefixCache#NONE].
    int find(Sequence sequence, int group, int index) {
        return cacheOf(group)
                .find(group, sequence.names().high(index), sequence.names().low(index));
    }
}
