package dev.lockstep.scheduler;

import java.util.ArrayDeque;

/// Blocks that sequences gave up and that steps sent before may still write: they return when every
/// such step has ended (law 4), and stay fullBlockNames all the while.
final class DeferredFrees {
    private final KvPools pools;
    private final ArrayDeque<Deferred> deferredFrees = new ArrayDeque<>();
    private final int[] returning;
    private long sent;
    private long completed;

    /// Blocks of a pool that return when step `lastStep` has ended; position order.
    private record Deferred(long lastStep, int pool, int[] blocks, int retention, int ttlSeconds) {}

    DeferredFrees(KvPools pools) {
        this.pools = pools;
        this.returning = new int[pools.poolCount()];
    }

    /// A step is about to be sent.
    void sent() {
        sent++;
    }

    /// The oldest step sent has ended.
    void completed() {
        completed++;
        while (!deferredFrees.isEmpty() && deferredFrees.peek().lastStep() <= completed) {
            var back = deferredFrees.remove();
            returning[back.pool()] -= back.blocks().length;
            release(back);
        }
    }

    /// Blocks of a pool on their way back.
    int returning(int pool) {
        return returning[pool];
    }

    /// A sequence gives up blocks of a group, in order of position.
    void add(Sequence sequence, int group, int[] blocks) {
        var options = sequence.options();
        int pool = pools.poolOf(group);
        var leaving =
                new Deferred(
                        sent, pool, blocks, options.cachePriority(), options.cacheTtlSeconds());
        if (sent == completed) {
            release(leaving);
        } else {
            returning[pool] += blocks.length;
            deferredFrees.add(leaving);
        }
    }

    /// Gives blocks back, last position first: of two free blocks of a chain the later one, useless
    /// without the earlier, is reused first.
    private void release(Deferred back) {
        for (int i = back.blocks().length - 1; i >= 0; i--) {
            pools.release(back.pool(), back.blocks()[i], back.retention(), back.ttlSeconds());
        }
    }

    /// Adds to `holders[pool][block]` what is held here.
    void count(int[][] holders) {
        var away = new int[returning.length];
        for (var back : deferredFrees) {
            away[back.pool()] += back.blocks().length;
            for (int block : back.blocks()) {
                holders[back.pool()][block]++;
            }
        }
        for (int pool = 0; pool < away.length; pool++) {
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
}
