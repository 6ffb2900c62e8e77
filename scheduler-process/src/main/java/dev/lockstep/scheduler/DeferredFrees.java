// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayDeque;

/// Blocks that sequences gave up and that steps sent earlier may still write: they are freed when
/// every such step has ended (law 4), and can be found by name meanwhile.
final class DeferredFrees {
    private final KvPools pools;
    private final ArrayDeque<Deferred> queue = new ArrayDeque<>();
    private final int[] returning;
    private long sent;
    private long completed;

    /// Blocks of a pool that are freed when step `lastStep` has ended, in order of position.
    private record Deferred(long lastStep, int pool, int[] blocks, int retention, int ttlSeconds) {}

    DeferredFrees(KvPools pools) {
        this.pools = pools;
        this.returning = new int[pools.poolCount()];
    }

    /// Called when a step is about to be sent.
    void sent() {
        sent++;
    }

    /// Called when the oldest step in flight has ended: frees the blocks that waited for it.
    void completed() {
        completed++;
        while (!queue.isEmpty() && queue.peek().lastStep() <= completed) {
            Deferred deferred = queue.remove();
            returning[deferred.pool()] -= deferred.blocks().length;
            release(deferred);
        }
    }

    /// Number of blocks of a pool that are not freed yet.
    int returning(int pool) {
        return returning[pool];
    }

    /// Frees blocks of a group that a sequence gives up, in order of position, now or when the
    /// steps in flight have ended.
    void add(Sequence sequence, int group, int[] blocks) {
        SchedulingOptions options = sequence.options();
        int pool = pools.poolOf(group);
        var deferred =
                new Deferred(
                        sent, pool, blocks, options.cachePriority(), options.cacheTtlSeconds());
        if (sent == completed) {
            release(deferred);
        } else {
            returning[pool] += blocks.length;
            queue.add(deferred);
        }
    }

    /// Frees blocks, last position first: of two free blocks of a chain the later one, useless
    /// without the earlier, is reused first.
    private void release(Deferred deferred) {
        for (int i = deferred.blocks().length - 1; i >= 0; i--) {
            pools.release(
                    deferred.pool(),
                    deferred.blocks()[i],
                    deferred.retention(),
                    deferred.ttlSeconds());
        }
    }

    /// Adds to `holders[pool][block]` what is held here.
    void count(int[][] holders) {
        int[] found = new int[returning.length];
        for (Deferred deferred : queue) {
            found[deferred.pool()] += deferred.blocks().length;
            for (int block : deferred.blocks()) {
                holders[deferred.pool()][block]++;
            }
        }
        for (int pool = 0; pool < found.length; pool++) {
            if (found[pool] != returning[pool]) {
                throw new IllegalStateException(
                        "pool "
                                + pool
                                + " counts "
                                + returning[pool]
                                + " returning blocks, found "
                                + found[pool]);
            }
        }
    }
}
