// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// How many tokens and sequences KV memory holds, computed before it is allocated.
///
/// Workers allocate one pool for the KV groups of equal extents, and every pool has the same number
/// of blocks. The scheduler divides these numbers among the groups whose blocks have equally many
/// bytes. A window group holds the tokens of its window, however long the sequence.
///
/// @param groups of the model
/// @param extents of each group
/// @param bytesPerToken of all ranks that share the memory, all groups together
/// @param kept whether sequences keep keys and values: those of encoders do not, and need no block
public record KvCapacity(
        List<KvGroup> groups,
        List<Extent> extents,
        int blockSize,
        long bytesPerToken,
        boolean kept) {
    /// The null block, and one that a group has beside it.
    private static final int LEAST_BLOCKS = 2;

    public KvCapacity {
        groups = List.copyOf(groups);
        extents = List.copyOf(extents);
        if (groups.isEmpty()
                || extents.size() != groups.size()
                || blockSize < 1
                || bytesPerToken < 1) {
            throw new IllegalArgumentException(
                    "KV of %d groups, blocks of %d tokens, %d bytes a token"
                            .formatted(groups.size(), blockSize, bytesPerToken));
        }
    }

    /// Creates the capacity of a model of equal heads, whose sequences keep keys and values.
    public KvCapacity(List<KvGroup> groups, int blockSize, long bytesPerToken) {
        this(
                groups,
                groups.stream().map(group -> new Extent(group.layers().size(), 1, 1)).toList(),
                blockSize,
                bytesPerToken,
                true);
    }

    public KvCapacity withBytesPerToken(long bytes) {
        return new KvCapacity(groups, extents, blockSize, bytes, kept);
    }

    /// What a KV group keeps of a token.
    ///
    /// @param heads of a layer, on all ranks
    public record Extent(int layers, int heads, int headSize) {
        /// Returns the elements of its keys; its values have as many in every group, or none.
        long width() {
            return (long) layers * heads * headSize;
        }
    }

    /// Groups of equal widths, to one of which the scheduler gives the number of a block.
    ///
    /// @param full the number of groups without a window
    /// @param windowBlocks blocks that the groups with a window need for one sequence
    private record Pool(int full, int windowBlocks, int groups) {}

    /// Returns the bytes of a token in this group.
    public long bytesPerToken(KvGroup group) {
        return bytesPerToken * extents.get(groups.indexOf(group)).width() / width();
    }

    /// Returns the number of blocks in each pool, without the null block.
    public long usableBlocks(long kvBytes) {
        return kvBytes / (bytesPerToken * blockSize) * width() / widthOfPools() - 1;
    }

    /// Returns the maximum number of tokens of a single sequence; the scheduler computes the same
    /// number.
    public int maxTokens(long kvBytes) {
        if (!kept) {
            return Integer.MAX_VALUE;
        }
        long usable = Math.max(0, usableBlocks(kvBytes));
        long max = Integer.MAX_VALUE;
        for (Pool pool : pools()) {
            long remaining = usable - pool.windowBlocks();
            if (remaining < 0) {
                max = Math.min(max, usable / pool.groups() * blockSize);
            } else if (pool.full() > 0) {
                max = Math.min(max, remaining / pool.full() * blockSize);
            }
        }
        return (int) max;
    }

    /// Returns the bytes that one sequence of `tokens` tokens needs; without KV those of a host's
    /// least blocks, which are counted for all groups together.
    public long bytesFor(int tokens) {
        if (!kept) {
            return LEAST_BLOCKS * bytesPerToken * blockSize;
        }
        long blocks = LEAST_BLOCKS;
        for (Pool pool : pools()) {
            long full = (long) pool.full() * Math.ceilDiv(tokens, blockSize);
            blocks = Math.max(blocks, full + pool.windowBlocks() + 1);
        }
        return Math.ceilDiv(blocks * widthOfPools(), width()) * bytesPerToken * blockSize;
    }

    /// Returns the maximum number of sequences of any length: each holds a block of every group.
    public long maxSequences(long kvBytes) {
        if (!kept) {
            return Long.MAX_VALUE;
        }
        int groupsOfAPool = pools().stream().mapToInt(Pool::groups).max().orElseThrow();
        return usableBlocks(kvBytes) / groupsOfAPool;
    }

    private long width() {
        return extents.stream().mapToLong(Extent::width).sum();
    }

    private long widthOfPools() {
        return extents.stream().distinct().mapToLong(Extent::width).sum();
    }

    private List<Pool> pools() {
        Map<Long, Pool> pools = new LinkedHashMap<>();
        for (int i = 0; i < groups.size(); i++) {
            KvGroup group = groups.get(i);
            boolean full = group.window() == 0;
            pools.merge(
                    extents.get(i).width(),
                    new Pool(full ? 1 : 0, full ? 0 : windowBlocks(group), 1),
                    (a, b) ->
                            new Pool(
                                    a.full + b.full,
                                    a.windowBlocks + b.windowBlocks,
                                    a.groups + b.groups));
        }
        return List.copyOf(pools.values());
    }

    /// A window may begin and end inside a block.
    private int windowBlocks(KvGroup group) {
        return Math.ceilDiv(group.window(), blockSize) + 1;
    }
}
