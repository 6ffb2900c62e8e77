// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;

/// Names full blocks: for the workers always, for the prefix cache where there is one.
///
/// A full block whose ids are known is named when the row that computes it is planned: steps run in
/// order, so a later step that finds the block finds it computed.
final class FullBlockNames {
    private final KvPools pools;
    private final int blockSize;
    private final boolean prefixCache;
    private final BlockHasher hasher;
    private final CacheEvents events;
    private final InFlightPrefixes inFlightPrefixes;
    private final boolean publishes;
    private final int[] ids;

    /// @param publishes whether a named block is all that a sequence with its prefix waits for
    FullBlockNames(
            KvPools pools,
            boolean prefixCache,
            BlockHasher hasher,
            CacheEvents events,
            InFlightPrefixes inFlightPrefixes,
            boolean publishes) {
        this.pools = pools;
        this.blockSize = pools.blockSize();
        this.prefixCache = prefixCache;
        this.hasher = hasher;
        this.events = events;
        this.inFlightPrefixes = inFlightPrefixes;
        this.publishes = publishes;
        this.ids = new int[blockSize];
    }

    /// Number of full blocks whose ids are all known, as a name requires. With two steps in flight
    /// a decode row may fill a block whose last id is not known yet: that block is named with a
    /// later row.
    private int fullKnownBlocks(Sequence sequence) {
        return Math.min(sequence.computed(), sequence.knownLength()) / blockSize;
    }

    /// Names the full blocks of a sequence that have no name yet, and enters them into the prefix
    /// cache if there is one. Returns their names, for the workers.
    List<BlockHash> name(Sequence sequence) {
        int named = sequence.blocks().named();
        int full = fullKnownBlocks(sequence);
        if (full <= named) {
            return List.of();
        }
        sequence.names().extendTo(full, pools, hasher);
        var names = new ArrayList<BlockHash>(full - named);
        for (int block = named; block < full; block++) {
            BlockHash name = sequence.names().get(block);
            names.add(name);
            if (prefixCache) {
                publish(sequence, block, name);
            }
        }
        sequence.blocks().namedTo(full);
        return names;
    }

    private void publish(Sequence sequence, int block, BlockHash name) {
        BlockHash root = sequence.names().root(hasher);
        sequence.names().copyIds(block * blockSize, ids);
        for (int group = 0; group < pools.groupCount(); group++) {
            if (block >= sequence.blocks().table(group).dropped()) {
                publish(sequence, group, block, root);
            }
        }
        if (publishes) {
            inFlightPrefixes.published(name, sequence);
        }
    }

    private void publish(Sequence sequence, int group, int index, BlockHash root) {
        int before = index == 0 ? PrefixCache.NONE : pools.find(sequence, group, index - 1);
        boolean first =
                pools.cacheOf(group)
                        .name(
                                sequence.blocks().table(group).block(index),
                                group,
                                sequence.names().high(index),
                                sequence.names().low(index),
                                before,
                                root,
                                ids,
                                (int) sequence.arrival());
        if (first && group == 0) {
            events.stored(sequence.names().get(index));
        }
    }

    /// Adds a full block that the workers still hold from an earlier epoch to the prefix cache. It
    /// is found by its name; its ids are unknown. Returns false when there is no such block, or the
    /// name is in use.
    boolean adopt(int kvGroup, int block, BlockHash name) {
        int pool = pools.poolOf(kvGroup);
        if (!prefixCache
                || block <= BlockPool.NULL_BLOCK
                || block > pools.usable(pool)
                || !pools.cache(pool).nameOnly(block, kvGroup, name)) {
            return false;
        }
        pools.pool(pool).retain(block);
        pools.release(pool, block, BlockPool.DEFAULT_PRIORITY, 0);
        if (kvGroup == 0) {
            events.stored(name);
        }
        return true;
    }
}
