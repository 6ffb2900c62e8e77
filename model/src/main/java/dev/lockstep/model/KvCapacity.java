package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// What KV memory holds of one sequence, before there is any.
///
/// KV groups of as many layers draw blocks from one pool, as workers allocate them, and every pool
/// has as many blocks. A window group holds what its window covers, however long the sequence.
///
/// @param groups of the model
/// @param bytesPerToken of all ranks that share the memory, all groups together
public record KvCapacity(List<KvGroup> groups, int blockSize, long bytesPerToken) {
    public KvCapacity {
        groups = List.copyOf(groups);
        if (groups.isEmpty() || blockSize < 1 || bytesPerToken < 1) {
            throw new IllegalArgumentException(
                    "KV of %d groups, blocks of %d tokens, %d bytes a token"
                            .formatted(groups.size(), blockSize, bytesPerToken));
        }
    }

    /// Groups whose blocks come from one pool.
    private record Pool(int full, int windowBlocks, int groups) {}

    /// Bytes that a token takes in this group.
    public long bytesPerToken(KvGroup group) {
        return bytesPerToken * group.layers().size() / layers();
    }

    /// Blocks that every pool gets, without the null block.
    public long usableBlocks(long kvBytes) {
        return kvBytes / (bytesPerToken * blockSize) * layers() / layersOfPools() - 1;
    }

    /// The most tokens that a sequence alone can hold; the scheduler comes to the same.
    public int mostTokens(long kvBytes) {
        long usable = Math.max(0, usableBlocks(kvBytes));
        long most = Integer.MAX_VALUE;
        for (Pool pool : pools()) {
            long left = usable - pool.windowBlocks();
            if (left < 0) {
                most = Math.min(most, usable / pool.groups() * blockSize);
            } else if (pool.full() > 0) {
                most = Math.min(most, left / pool.full() * blockSize);
            }
        }
        return (int) most;
    }

    /// Bytes in which a sequence of so many tokens finds room.
    public long bytesFor(int tokens) {
        long blocks = 0;
        for (Pool pool : pools()) {
            long own = (long) pool.full() * Math.ceilDiv(tokens, blockSize) + pool.windowBlocks();
            blocks = Math.max(blocks, own + 1);
        }
        return Math.ceilDiv(blocks * layersOfPools(), layers()) * bytesPerToken * blockSize;
    }

    /// How many sequences of any length there can be: each holds a block of every group.
    public long mostSequences(long kvBytes) {
        int most = pools().stream().mapToInt(Pool::groups).max().orElseThrow();
        return usableBlocks(kvBytes) / most;
    }

    private int layers() {
        return groups.stream().mapToInt(group -> group.layers().size()).sum();
    }

    private int layersOfPools() {
        return groups.stream().mapToInt(group -> group.layers().size()).distinct().sum();
    }

    private List<Pool> pools() {
        Map<Integer, Pool> pools = new TreeMap<>();
        for (KvGroup group : groups) {
            boolean full = group.window() == 0;
            pools.merge(
                    group.layers().size(),
                    new Pool(full ? 1 : 0, full ? 0 : windowBlocks(group), 1),
                    (a, b) ->
                            new Pool(
                                    a.full + b.full,
                                    a.windowBlocks + b.windowBlocks,
                                    a.groups + b.groups));
        }
        return List.copyOf(pools.values());
    }

    /// A window begins and ends within blocks.
    private int windowBlocks(KvGroup group) {
        return Math.ceilDiv(group.window(), blockSize) + 1;
    }
}
