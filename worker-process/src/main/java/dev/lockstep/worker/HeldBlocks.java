// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.PagedKv;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The names of the full KV blocks of this rank. Like the blocks, it outlives the epochs of a
/// group. A block that is written loses its name, also in every other KV group that shares its
/// memory.
///
/// Belongs to the step thread.
final class HeldBlocks {
    private final @Nullable BlockHash[][] names;
    // How often each block was written; KV groups that share memory share the counts.
    private final long[][] writes;
    private final List<PagedKv> kv;

    HeldBlocks(List<PagedKv> kv) {
        this.kv = List.copyOf(kv);
        names = new BlockHash[kv.size()][];
        writes = new long[kv.size()][];
        for (int group = 0; group < names.length; group++) {
            int blocks = kv.get(group).blocks();
            int sharing = kv.indexOf(kv.get(group));
            names[group] = new BlockHash[blocks];
            writes[group] = sharing < group ? writes[sharing] : new long[blocks];
        }
    }

    /// A block that a launched step fills, and its name once that step has completed.
    ///
    /// @param writes how often the block had been written when the step was launched
    record Filled(int kvGroup, int block, BlockHash name, long writes) {}

    void clear() {
        for (BlockHash[] group : names) {
            Arrays.fill(group, null);
        }
    }

    /// Removes the names of a block that is about to be written. Throws if the block does not
    /// exist.
    void written(int kvGroup, int block) {
        if (block < 1 || block >= names[kvGroup].length) {
            throw new IllegalArgumentException(
                    "KV block %d, must be 1 to %d".formatted(block, names[kvGroup].length - 1));
        }
        writes[kvGroup][block]++;
        for (int group = 0; group < names.length; group++) {
            if (kv.get(group).equals(kv.get(kvGroup))) {
                names[group][block] = null;
            }
        }
    }

    /// Throws unless each block that a row adds to a table exists; the null block stands for one
    /// outside the window.
    void requireExisting(int kvGroup, int[] blocks) {
        for (int block : blocks) {
            if (block < 0 || block >= names[kvGroup].length) {
                throw new IllegalArgumentException(
                        "KV block %d in KV group %d, must be 0 to %d"
                                .formatted(block, kvGroup, names[kvGroup].length - 1));
            }
        }
    }

    /// Returns the block that a step being launched fills, for [#named] once it has completed.
    Filled filled(int kvGroup, int block, BlockHash name) {
        return new Filled(kvGroup, block, name, writes[kvGroup][block]);
    }

    /// Names a block that is full, unless a step launched later writes to it. The null block, which
    /// replaces a block outside the window, gets no name.
    void named(Filled filled) {
        int group = filled.kvGroup();
        int block = filled.block();
        if (block != 0 && writes[group][block] == filled.writes()) {
            names[group][block] = filled.name();
        }
    }

    Optional<BlockHash> name(int kvGroup, int block) {
        return Optional.ofNullable(names[kvGroup][block]);
    }

    int kvGroups() {
        return names.length;
    }

    /// Returns the named blocks of a KV group in ascending order.
    List<Integer> blocks(int kvGroup) {
        List<Integer> blocks = new ArrayList<>();
        for (int block = 1; block < names[kvGroup].length; block++) {
            if (names[kvGroup][block] != null) {
                blocks.add(block);
            }
        }
        return blocks;
    }
}
