package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.CacheDomain;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// The names that schedulers give the full blocks of one prompt, made when they are first needed.
/// Belongs to the thread of its request.
final class PromptBlocks {
    private final Optional<BlockHasher> hasher;
    private final RequestOptions options;
    private final int[] ids;

    /// By block size: groups of one cluster may differ in it.
    private final Map<Integer, long[]> names = new HashMap<>();

    /// @param hasher empty: the cluster's key is not known yet, and no block can be named
    PromptBlocks(Optional<BlockHasher> hasher, RequestOptions options, int[] ids) {
        this.hasher = hasher;
        this.options = options;
        this.ids = ids;
    }

    /// Tokens that the scheduler will not compute if it still has what it told. The last one it
    /// always computes, for its logits begin the answer.
    int cachedTokens(BlockIndex index, int blockSize) {
        if (hasher.isEmpty() || blockSize <= 0 || index.size() == 0) {
            return 0;
        }
        int blocks = (ids.length - 1) / blockSize;
        long[] named = names.computeIfAbsent(blockSize, size -> name(hasher.get(), blocks, size));
        return blockSize * index.prefixBlocks(named, blocks);
    }

    private long[] name(BlockHasher by, int blocks, int blockSize) {
        BlockHash root = by.root(CacheDomain.of(options.tenant(), options.cacheSalt(), ""));
        long[] out = new long[2 * blocks];
        by.chain(root, ids, blocks * blockSize, blockSize, out);
        return out;
    }
}
