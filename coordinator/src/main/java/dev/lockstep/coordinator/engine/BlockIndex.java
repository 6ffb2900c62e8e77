// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import java.nio.ByteBuffer;

/// The names of the blocks in one scheduler's prefix cache, as last reported: a set of 128-bit
/// numbers in one array, at most [#MAX_BLOCKS] of them.
///
/// [BlockWatch] updates it, requests query it from any thread. It may lag behind the cache, which
/// the router tolerates. Names are pseudo-random under the cluster's key, so their own bits serve
/// as the hash.
public final class BlockIndex {
    /// The upper bound of the names: 8 MiB for each scheduler, of a heap of 256 MiB; 4 million
    /// tokens in blocks of 16. The router does not see blocks beyond it.
    static final int MAX_BLOCKS = 1 << 18;

    private static final int NAME_BYTES = 16;
    private static final int MIN_SLOTS = 1 << 8;

    // Guarded by this. High and low half of each slot's name, both 0 when the slot is free.
    private long[] slots = new long[2 * MIN_SLOTS];
    private int count;

    /// Replaces all names by these.
    void replace(ByteBuffer stored) {
        requireNames(stored);
        var fresh = new BlockIndex();
        fresh.addAll(stored);
        // Readers wait only for this assignment; no other thread has `fresh`.
        synchronized (this) {
            slots = fresh.slots;
            count = fresh.count;
        }
    }

    /// Removes names, then adds names; absent ones may be removed, and present ones added.
    synchronized void change(ByteBuffer removed, ByteBuffer stored) {
        requireNames(removed);
        requireNames(stored);
        while (removed.hasRemaining()) {
            remove(removed.getLong(), removed.getLong());
        }
        addAll(stored);
    }

    void clear() {
        replace(ByteBuffer.allocate(0));
    }

    /// Returns the number of leading blocks that are present without a gap.
    ///
    /// @param names high, low, high, low …
    synchronized int prefixBlocks(long[] names, int blocks) {
        int found = 0;
        while (found < blocks && contains(names[2 * found], names[2 * found + 1])) {
            found++;
        }
        return found;
    }

    public synchronized int size() {
        return count;
    }

    /// Throws unless every name can be found and the count is right.
    synchronized void checkIntegrity() {
        int seen = 0;
        for (int slot = 0; slot < slots.length / 2; slot++) {
            if (isFree(slot)) {
                continue;
            }
            seen++;
            if (find(slots[2 * slot], slots[2 * slot + 1]) != slot) {
                throw new IllegalStateException("the name in slot " + slot + " cannot be found");
            }
        }
        if (seen != count) {
            throw new IllegalStateException(seen + " names are stored and " + count + " counted");
        }
    }

    private static void requireNames(ByteBuffer names) {
        if (names.remaining() % NAME_BYTES != 0) {
            throw new IllegalArgumentException(
                    names.remaining() + " bytes are not names of " + NAME_BYTES + " bytes each");
        }
    }

    private synchronized void addAll(ByteBuffer stored) {
        while (stored.hasRemaining()) {
            add(stored.getLong(), stored.getLong());
        }
    }

    private void add(long high, long low) {
        // A name of zeros would mark a free slot; a hash is practically never zero.
        if ((high | low) == 0 || count >= MAX_BLOCKS || contains(high, low)) {
            return;
        }
        if (4 * count >= slots.length) {
            grow();
        }
        put(high, low);
        count++;
    }

    private boolean contains(long high, long low) {
        return !isFree(find(high, low));
    }

    /// Returns the slot of a name, or the free slot where it belongs: the first from its home slot
    /// on.
    private int find(long high, long low) {
        int slot = home(low);
        while (!isFree(slot) && (slots[2 * slot] != high || slots[2 * slot + 1] != low)) {
            slot = next(slot);
        }
        return slot;
    }

    private void put(long high, long low) {
        int slot = find(high, low);
        slots[2 * slot] = high;
        slots[2 * slot + 1] = low;
    }

    /// Removes a name, and closes the gap with the following names that were displaced past it.
    private void remove(long high, long low) {
        int gap = find(high, low);
        if (isFree(gap)) {
            return;
        }
        count--;
        for (int slot = next(gap); !isFree(slot); slot = next(slot)) {
            int home = home(slots[2 * slot + 1]);
            boolean canMove = distance(home, slot) >= distance(gap, slot);
            if (canMove) {
                slots[2 * gap] = slots[2 * slot];
                slots[2 * gap + 1] = slots[2 * slot + 1];
                gap = slot;
            }
        }
        slots[2 * gap] = 0;
        slots[2 * gap + 1] = 0;
    }

    private void grow() {
        long[] old = slots;
        slots = new long[2 * old.length];
        for (int i = 0; i < old.length; i += 2) {
            if ((old[i] | old[i + 1]) != 0) {
                put(old[i], old[i + 1]);
            }
        }
    }

    private boolean isFree(int slot) {
        return (slots[2 * slot] | slots[2 * slot + 1]) == 0;
    }

    private int home(long low) {
        return (int) low & (slots.length / 2 - 1);
    }

    private int next(int slot) {
        return (slot + 1) & (slots.length / 2 - 1);
    }

    /// Returns the forward distance from one slot to another.
    private int distance(int from, int to) {
        return (to - from) & (slots.length / 2 - 1);
    }
}
