// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Allocates blocks of one size. Block 0 is the null block: it marks an empty place in a table and
/// is never allocated.
///
/// Free blocks are in lists, one for each retention priority, the least recently used first; the
/// lowest priority is reused first. A priority may expire: then the block falls back to
/// [#DEFAULT_PRIORITY]. Allocating and releasing a block, and reviving one in the middle of its
/// list, are O(1).
///
/// Owned by the step loop's thread; all state is in primitive arrays allocated once.
public final class BlockPool {
    public static final int NULL_BLOCK = 0;

    /// The priority of blocks without content that a look-up could find.
    static final int WORTHLESS = 0;

    public static final int DEFAULT_PRIORITY = 35;
    public static final int MAX_PRIORITY = 100;

    /// The longest time a priority can last before it expires; a longer one never expires.
    static final int MAX_TTL_SECONDS = 4095;

    /// Bytes of holders, priority, and the links of two lists.
    public static final long BYTES_OF_BLOCK = 4 + 1 + 4 * 4;

    private static final int SECONDS = MAX_TTL_SECONDS + 1;

    private final int blocks;
    private final int[] references;
    private final byte[] priority;

    // The free lists are doubly linked rings: the sentinel of priority p is node blocks + p.
    private final int[] next;
    private final int[] previous;
    private final long[] occupied = new long[2];
    private int freeCount;
    private int worthlessCount;

    // Free blocks whose priority expires, by the second in which it does: the sentinel of second s
    // is node blocks + s mod SECONDS. A block that is in no such list has nextExpiring 0.
    private final int[] nextExpiring;
    private final int[] previousExpiring;
    private long second;

    BlockPool(int blocks) {
        if (blocks < 2) {
            throw new IllegalArgumentException(
                    "a pool of " + blocks + " blocks, the least is 2: the null block and one more");
        }
        this.blocks = blocks;
        references = new int[blocks];
        priority = new byte[blocks];
        next = new int[blocks + MAX_PRIORITY + 1];
        previous = new int[next.length];
        for (int node = blocks; node < next.length; node++) {
            next[node] = node;
            previous[node] = node;
        }
        nextExpiring = new int[blocks + SECONDS];
        previousExpiring = new int[nextExpiring.length];
        for (int node = blocks; node < nextExpiring.length; node++) {
            nextExpiring[node] = node;
            previousExpiring[node] = node;
        }
        references[NULL_BLOCK] = 1;
        for (int block = 1; block < blocks; block++) {
            append(block, WORTHLESS);
        }
    }

    /// Blocks that can be allocated: all but the null block.
    int usable() {
        return blocks - 1;
    }

    int freeCount() {
        return freeCount;
    }

    /// Free blocks that a look-up can find.
    int retainedCount() {
        return freeCount - worthlessCount;
    }

    int references(int block) {
        return references[block];
    }

    /// Allocates the free block of lowest priority that was not used for the longest time.
    int allocate() {
        if (freeCount == 0) {
            throw new IllegalStateException("no free block among " + usable());
        }
        int lowest =
                occupied[0] != 0
                        ? Long.numberOfTrailingZeros(occupied[0])
                        : 64 + Long.numberOfTrailingZeros(occupied[1]);
        int block = next[blocks + lowest];
        unlink(block);
        references[block] = 1;
        return block;
    }

    /// Adds a holder; a free block leaves its list.
    void retain(int block) {
        if (block == NULL_BLOCK) {
            throw new IllegalArgumentException("the null block has no holders");
        }
        if (references[block] == 0) {
            unlink(block);
        }
        references[block]++;
    }

    /// Removes a holder; without holders the block is free, with the given priority.
    ///
    /// @param ttlSeconds how long the priority lasts; 0 for no limit
    void release(int block, int retention, int ttlSeconds) {
        if (block == NULL_BLOCK || references[block] == 0) {
            throw new IllegalStateException("block " + block + " released without a holder");
        }
        if (--references[block] > 0) {
            return;
        }
        append(block, retention);
        if (ttlSeconds > 0 && ttlSeconds <= MAX_TTL_SECONDS && retention != DEFAULT_PRIORITY) {
            linkExpiring(block, blocks + (int) ((second + ttlSeconds) % SECONDS));
        }
    }

    /// Removes a holder; without holders the block is free, with the priority it last had.
    void release(int block) {
        release(block, Math.max(priority[block], 1), 0);
    }

    /// Expires the priorities whose time has come. `now`, in seconds, never decreases.
    void advanceTo(long now) {
        for (long passed = Math.min(now - second, SECONDS); passed > 0; passed--) {
            int sentinel = blocks + (int) ((now - passed + 1) % SECONDS);
            while (nextExpiring[sentinel] != sentinel) {
                int block = nextExpiring[sentinel];
                unlink(block);
                prepend(block, DEFAULT_PRIORITY);
            }
        }
        second = Math.max(second, now);
    }

    private void append(int block, int retention) {
        int sentinel = blocks + retention;
        link(block, previous[sentinel], sentinel, retention);
    }

    private void prepend(int block, int retention) {
        int sentinel = blocks + retention;
        link(block, sentinel, next[sentinel], retention);
    }

    private void link(int block, int before, int after, int retention) {
        priority[block] = (byte) retention;
        next[before] = block;
        previous[block] = before;
        next[block] = after;
        previous[after] = block;
        occupied[retention >> 6] |= 1L << retention;
        freeCount++;
        worthlessCount += retention == WORTHLESS ? 1 : 0;
    }

    private void unlink(int block) {
        next[previous[block]] = next[block];
        previous[next[block]] = previous[block];
        int list = priority[block];
        if (next[blocks + list] == blocks + list) {
            occupied[list >> 6] &= ~(1L << list);
        }
        freeCount--;
        worthlessCount -= list == WORTHLESS ? 1 : 0;
        if (nextExpiring[block] != 0) {
            nextExpiring[previousExpiring[block]] = nextExpiring[block];
            previousExpiring[nextExpiring[block]] = previousExpiring[block];
            nextExpiring[block] = 0;
        }
    }

    private void linkExpiring(int block, int sentinel) {
        int last = previousExpiring[sentinel];
        nextExpiring[last] = block;
        previousExpiring[block] = last;
        nextExpiring[block] = sentinel;
        previousExpiring[sentinel] = block;
    }

    /// Throws unless each block has exactly `expected[block]` holders and the free lists hold
    /// exactly the blocks without one.
    void checkIntegrity(int[] expected) {
        int free = 0;
        for (int block = 1; block < blocks; block++) {
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
        for (int list = 0; list <= MAX_PRIORITY; list++) {
            int sentinel = blocks + list;
            boolean empty = next[sentinel] == sentinel;
            if (empty == ((occupied[list >> 6] >>> list & 1) != 0)) {
                throw new IllegalStateException("free list " + list + " is not as marked");
            }
            for (int block = next[sentinel]; block != sentinel; block = next[block]) {
                if (references[block] != 0
                        || priority[block] != list
                        || next[previous[block]] != block
                        || listed++ > free) {
                    throw new IllegalStateException("the free list is broken at block " + block);
                }
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
