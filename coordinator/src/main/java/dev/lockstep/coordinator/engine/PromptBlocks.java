// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.CacheDomain;
import dev.lockstep.cluster.PromptSpans;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// The names that schedulers give to the full blocks of one prompt, computed on first use. Confined
/// to the thread of its request.
final class PromptBlocks {
    private final Optional<BlockHasher> hasher;
    private final RequestOptions options;
    private final int[] ids;

    /// The names by what groups of one cluster may differ in.
    private final Map<Naming, long[]> names = new HashMap<>();

    private record Naming(int blockSize, int promptSpan) {}

    /// @param hasher empty while the cluster's key is unknown: then no block can be named
    PromptBlocks(Optional<BlockHasher> hasher, RequestOptions options, int[] ids) {
        this.hasher = hasher;
        this.options = options;
        this.ids = ids;
    }

    /// Returns the number of tokens that the scheduler need not compute if it still holds the
    /// blocks that it reported. It always computes the last token, whose logits give the first
    /// generated token.
    int cachedTokens(BlockIndex index, int blockSize, int promptSpan) {
        if (hasher.isEmpty() || blockSize <= 0 || index.size() == 0) {
            return 0;
        }
        int blocks = (ids.length - 1) / blockSize;
        long[] named =
                names.computeIfAbsent(
                        new Naming(blockSize, promptSpan),
                        naming -> name(hasher.get(), blocks, naming));
        return blockSize * index.prefixBlocks(named, blocks);
    }

    private long[] name(BlockHasher blockHasher, int blocks, Naming naming) {
        BlockHash root =
                blockHasher.root(CacheDomain.of(options.tenant(), options.cacheSalt(), ""));
        long[] out = new long[2 * blocks];
        int[] named = PromptSpans.named(ids, naming.promptSpan());
        blockHasher.chain(root, named, blocks * naming.blockSize(), naming.blockSize(), out);
        return out;
    }
}
