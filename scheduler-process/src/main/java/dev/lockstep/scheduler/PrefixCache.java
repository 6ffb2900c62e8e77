// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Finds blocks by name: the block of a pool that holds given tokens after a given prefix. A named
/// block can be found while it is free, until it is reused.
///
/// Names are kept in a hash table of block numbers. For a prefix that ends inside a block, the
/// cache keeps the ids of named blocks, and for each block its children, the blocks that continue
/// it; first blocks are children of a root, which shares its list with roots of other domains.
///
/// Of two blocks with the same name only the first can be found. Owned by the step loop's thread;
/// all state is in primitive arrays allocated once.
public final class PrefixCache {
    static final int NONE = 0;

    /// Siblings compared for a partial match, the latest first.
    private static final int MAX_SIBLINGS = 32;

    private static final int ROOTS = 1024;

    private final int blockSize;
    private final BlockHasher hasher;
    private final int blocks;

    // Per block; group -1 is a block without a name.
    private final byte[] group;
    private final long[] high;
    private final long[] low;
    private final int[] ids;
    private final int[] producer;

    // Children of a block, and of root r as node blocks + r.
    private final int[] parent;
    private final int[] firstChild;
    private final int[] nextSibling;
    private final int[] previousSibling;

    // Open addressing with linear probing: block numbers, 0 is empty.
    private final int[] table;
    private final int mask;

    private final int[] scratch;
    private final long[] hash = new long[2];
    private int matched;

    PrefixCache(int blocks, int blockSize, BlockHasher hasher) {
        this.blocks = blocks;
        this.blockSize = blockSize;
        this.hasher = hasher;
        group = new byte[blocks];
        Arrays.fill(group, (byte) -1);
        high = new long[blocks];
        low = new long[blocks];
        ids = new int[Math.multiplyExact(blocks, blockSize)];
        producer = new int[blocks];
        parent = new int[blocks];
        firstChild = new int[blocks + ROOTS];
        nextSibling = new int[blocks];
        previousSibling = new int[blocks];
        mask = Math.max(Integer.highestOneBit(blocks) * 2, 2) - 1;
        table = new int[mask + 1];
        scratch = new int[blockSize];
    }

    /// Returns the bytes of a block: group, name, ids, producer, links of the chain, and up to two
    /// places in the table.
    public static long bytesOfBlock(int blockSize) {
        return 1 + 2 * 8 + 4L * blockSize + 4 + 4 * 4 + 2 * 4;
    }

    boolean isNamed(int block) {
        return group[block] >= 0;
    }

    /// Returns the block of this name in a KV group, or [#NONE].
    int find(int kvGroup, long nameHigh, long nameLow) {
        for (int at = home(nameLow, kvGroup); table[at] != NONE; at = at + 1 & mask) {
            int block = table[at];
            if (low[block] == nameLow && high[block] == nameHigh && group[block] == kvGroup) {
                return block;
            }
        }
        return NONE;
    }

    /// The KV group of a named block.
    int group(int block) {
        return group[block];
    }

    /// All names of a KV group.
    List<BlockHash> names(int kvGroup) {
        var names = new ArrayList<BlockHash>();
        for (int block = 1; block < blocks; block++) {
            if (group[block] == kvGroup) {
                names.add(name(block));
            }
        }
        return names;
    }

    BlockHash name(int block) {
        return new BlockHash(high[block], low[block]);
    }

    /// The arrival of the sequence that computed a block, as given when it was named.
    int producer(int block) {
        return producer[block];
    }

    /// Names a block that holds `tokens`, which are as [BlockNames] has them. Returns false when
    /// another block already has that name.
    ///
    /// @param before the block it continues, or [#NONE] after a root
    /// @param by arrival of the sequence that computed it
    boolean name(
            int block,
            int kvGroup,
            long nameHigh,
            long nameLow,
            int before,
            BlockHash root,
            int[] tokens,
            int by) {
        if (isNamed(block)) {
            throw new IllegalStateException("block " + block + " has a name");
        }
        if (find(kvGroup, nameHigh, nameLow) != NONE) {
            return false;
        }
        put(block, kvGroup, nameHigh, nameLow);
        producer[block] = by;
        System.arraycopy(tokens, 0, ids, block * blockSize, blockSize);
        addChild(before == NONE ? rootNode(root, kvGroup) : before, block);
        return true;
    }

    /// Names a block whose ids are unknown, so that it is found by name only. Returns false when
    /// the block has a name, or the name is in use.
    boolean nameOnly(int block, int kvGroup, BlockHash name) {
        if (isNamed(block) || find(kvGroup, name.high(), name.low()) != NONE) {
            return false;
        }
        put(block, kvGroup, name.high(), name.low());
        Arrays.fill(ids, block * blockSize, (block + 1) * blockSize, -1);
        producer[block] = -1;
        return true;
    }

    private void put(int block, int kvGroup, long nameHigh, long nameLow) {
        group[block] = (byte) kvGroup;
        high[block] = nameHigh;
        low[block] = nameLow;
        int at = home(nameLow, kvGroup);
        while (table[at] != NONE) {
            at = at + 1 & mask;
        }
        table[at] = block;
    }

    private void addChild(int node, int block) {
        int first = firstChild[node];
        parent[block] = node;
        nextSibling[block] = first;
        previousSibling[block] = NONE;
        if (first != NONE) {
            previousSibling[first] = block;
        }
        firstChild[node] = block;
    }

    /// Removes the name of a block; the blocks that continue it are found by name only.
    void forget(int block) {
        remove(block);
        if (parent[block] != NONE) {
            int before = previousSibling[block];
            int after = nextSibling[block];
            if (before == NONE) {
                firstChild[parent[block]] = after;
            } else {
                nextSibling[before] = after;
            }
            if (after != NONE) {
                previousSibling[after] = before;
            }
        }
        for (int child = firstChild[block]; child != NONE; ) {
            int after = nextSibling[child];
            parent[child] = NONE;
            nextSibling[child] = NONE;
            previousSibling[child] = NONE;
            child = after;
        }
        firstChild[block] = NONE;
        parent[block] = NONE;
        group[block] = -1;
    }

    /// Removes a block from the table and closes the gap, so that probing never meets a tombstone.
    private void remove(int block) {
        int at = home(low[block], group[block]);
        while (table[at] != block) {
            at = at + 1 & mask;
        }
        int gap = at;
        for (at = gap + 1 & mask; table[at] != NONE; at = at + 1 & mask) {
            int home = home(low[table[at]], group[table[at]]);
            if ((at - home & mask) >= (at - gap & mask)) {
                table[gap] = table[at];
                gap = at;
            }
        }
        table[gap] = NONE;
    }

    /// Returns the block that continues `before` with the longest beginning of `sequence` from
    /// `position` on, or [#NONE]; [#matched] then returns the number of tokens that agree.
    ///
    /// @param max upper bound of tokens that may agree, less than a block
    int findPartial(
            int kvGroup, int before, BlockHash root, Sequence sequence, int position, int max) {
        int best = NONE;
        matched = 0;
        int compared = 0;
        int child = firstChild[before == NONE ? rootNode(root, kvGroup) : before];
        for (; child != NONE && compared < MAX_SIBLINGS; child = nextSibling[child], compared++) {
            if (group[child] != kvGroup) {
                continue;
            }
            int count = 0;
            while (count < max
                    && ids[child * blockSize + count] == sequence.names().id(position + count)) {
                count++;
            }
            if (count > matched && (before != NONE || isFirstOf(root, child))) {
                best = child;
                matched = count;
            }
        }
        return best;
    }

    int matched() {
        return matched;
    }

    private boolean isFirstOf(BlockHash root, int block) {
        System.arraycopy(ids, block * blockSize, scratch, 0, blockSize);
        hasher.next(root.high(), root.low(), scratch, 0, blockSize, hash, 0);
        return hash[0] == high[block] && hash[1] == low[block];
    }

    private int rootNode(BlockHash root, int kvGroup) {
        return blocks + (int) (root.low() + kvGroup & ROOTS - 1);
    }

    /// Returns the place of a name in the table; names are pseudo-random already.
    private int home(long nameLow, int kvGroup) {
        return (int) ((nameLow + kvGroup * 0x9E3779B97F4A7C15L) >>> 20) & mask;
    }

    /// Throws unless exactly the named blocks are in the table and each is found by its name.
    void checkIntegrity() {
        int named = 0;
        for (int block = 1; block < blocks; block++) {
            if (isNamed(block)) {
                named++;
                if (find(group[block], high[block], low[block]) != block) {
                    throw new IllegalStateException("block " + block + " is not found by its name");
                }
                int before = parent[block];
                if (before != NONE && before < blocks && !isNamed(before)) {
                    throw new IllegalStateException("the parent of block " + block + " is unnamed");
                }
            }
        }
        int listed = 0;
        for (int block : table) {
            listed += block == NONE ? 0 : 1;
        }
        if (named != listed) {
            throw new IllegalStateException(named + " blocks are named, " + listed + " are listed");
        }
    }
}
