// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Blocks of every pool that the plan being made has reserved: a plan reserves for one sequence
/// after the other and allocates when the token counts are known.
///
/// A sequence reserves the same number in each of its groups.
final class Reservations {
    /// More blocks than any sequence has room for, so that lengths stay an int.
    private static final int MAX_BLOCKS = 1 << 24;

    private final KvPools pools;
    private final int[] reserved;
    private final List<Sequence> reserving = new ArrayList<>();

    Reservations(KvPools pools) {
        this.pools = pools;
        this.reserved = new int[pools.poolCount()];
    }

    /// Starts a new plan without reservations.
    void begin() {
        Arrays.fill(reserved, 0);
        for (Sequence sequence : reserving) {
            sequence.blocks().reserve(0);
        }
        reserving.clear();
    }

    /// Number of free blocks of a pool that are not reserved.
    int open(int pool) {
        return pools.freeCount(pool) - reserved[pool];
    }

    boolean trySet(Sequence sequence, int blocks) {
        for (int pool = 0; pool < reserved.length; pool++) {
            if (blocks * pools.groupsIn(pool) > open(pool)) {
                return false;
            }
        }
        set(sequence, blocks);
        return true;
    }

    /// Reserves `blocks` blocks, in place of what was reserved before.
    void set(Sequence sequence, int blocks) {
        for (int pool = 0; pool < reserved.length; pool++) {
            reserved[pool] += (blocks - sequence.blocks().reserved()) * pools.groupsIn(pool);
        }
        if (sequence.blocks().reserved() == 0 && blocks > 0) {
            reserving.add(sequence);
        }
        sequence.blocks().reserve(blocks);
    }

    /// The length in tokens that a sequence may grow to with the blocks it has, those reserved for
    /// it and those that are not reserved.
    int room(Sequence sequence) {
        int blocks = MAX_BLOCKS;
        for (int pool = 0; pool < reserved.length; pool++) {
            int open = Math.max(0, open(pool));
            blocks = Math.min(blocks, sequence.blocks().reserved() + open / pools.groupsIn(pool));
        }
        return Math.multiplyExact(blocks + sequence.blocks().count(), pools.blockSize());
    }

    /// Throws unless the counts equal what the running sequences have reserved.
    void checkIntegrity(Iterable<Sequence> running) {
        int found = 0;
        for (Sequence sequence : running) {
            found += sequence.blocks().reserved();
        }
        for (int pool = 0; pool < reserved.length; pool++) {
            if (found * pools.groupsIn(pool) != reserved[pool]) {
                throw new IllegalStateException(
                        "pool "
                                + pool
                                + " counts "
                                + reserved[pool]
                                + " reserved blocks, found "
                                + found * pools.groupsIn(pool));
            }
        }
    }
}
