package dev.lockstep.scheduler;

/// Hands out blocks of one size. Block 0 is the null block: it stands for "nothing here" in a table
/// and is never handed out. Free blocks form a doubly linked list, longest free first, so that
/// taking, giving back and reviving one in the middle are O(1).
final class BlockPool {
    static final int NULL_BLOCK = 0;

    private final int[] references;
    // The null block, never free itself, is the sentinel of the ring: next[0] is its head,
    // previous[0]
    // its tail.
    private final int[] next;
    private final int[] previous;
    private int freeCount;

    BlockPool(int blocks) {
        if (blocks < 2) {
            throw new IllegalArgumentException(
                    "a pool of " + blocks + " blocks; the null block and one more are the least");
        }
        references = new int[blocks];
        next = new int[blocks];
        previous = new int[blocks];
        references[NULL_BLOCK] = 1;
        for (int block = 1; block < blocks; block++) {
            append(block);
        }
    }

    /// Blocks that can be handed out at all: the null block is not among them.
    int usable() {
        return references.length - 1;
    }

    int freeCount() {
        return freeCount;
    }

    int references(int block) {
        return references[block];
    }

    int allocate() {
        int block = next[NULL_BLOCK];
        if (block == NULL_BLOCK) {
            throw new IllegalStateException("no free block among " + usable());
        }
        unlink(block);
        references[block] = 1;
        return block;
    }

    /// One more holder; a free block is taken out of the free list.
    void retain(int block) {
        if (block == NULL_BLOCK) {
            throw new IllegalArgumentException("the null block has no holders");
        }
        if (references[block] == 0) {
            unlink(block);
        }
        references[block]++;
    }

    /// One holder less; without holders the block goes to the tail of the free list.
    void release(int block) {
        if (block == NULL_BLOCK || references[block] == 0) {
            throw new IllegalStateException("block " + block + " released without a holder");
        }
        if (--references[block] == 0) {
            append(block);
        }
    }

    private void append(int block) {
        int tail = previous[NULL_BLOCK];
        next[tail] = block;
        previous[block] = tail;
        next[block] = NULL_BLOCK;
        previous[NULL_BLOCK] = block;
        freeCount++;
    }

    private void unlink(int block) {
        next[previous[block]] = next[block];
        previous[next[block]] = previous[block];
        freeCount--;
    }

    /// Throws unless each block has exactly `expected[block]` holders and the free list holds
    /// exactly the blocks without one.
    void checkIntegrity(int[] expected) {
        int free = 0;
        for (int block = 1; block < references.length; block++) {
            if (references[block] != expected[block]) {
                throw new IllegalStateException(
                        "block "
                                + block
                                + " counts "
                                + references[block]
                                + " holders, found "
                                + expected[block]);
            }
            free += references[block] == 0 ? 1 : 0;
        }
        int listed = 0;
        for (int block = next[NULL_BLOCK]; block != NULL_BLOCK; block = next[block]) {
            if (references[block] != 0 || next[previous[block]] != block || listed++ > free) {
                throw new IllegalStateException("the free list is broken at block " + block);
            }
        }
        if (free != freeCount || listed != freeCount) {
            throw new IllegalStateException(
                    "free blocks: "
                            + free
                            + " without holders, "
                            + listed
                            + " listed, "
                            + freeCount
                            + " counted");
        }
    }
}
