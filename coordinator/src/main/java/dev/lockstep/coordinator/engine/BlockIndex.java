package dev.lockstep.coordinator.engine;

import java.nio.ByteBuffer;

/// The names of the blocks that one scheduler's prefix cache holds, as far as it has told: a set of
/// 128-bit numbers in one array, at most [#MOST] of them.
///
/// [BlockWatch] writes it, requests look into it from any thread; it is old by a moment, which a
/// router may be. Names are pseudo-random under the cluster's key, so their own bits spread them.
public final class BlockIndex {
    /// 8 MiB for each scheduler, of a heap of 256. What is beyond is not known here, and routed to
    /// less well: 4 million tokens of blocks of 16.
    static final int MOST = 1 << 18;

    private static final int NAME_BYTES = 16;
    private static final int LEAST_SLOTS = 1 << 8;

    // Guarded by this. High and low half of each slot's name, both 0 when it is free.
    private long[] slots = new long[2 * LEAST_SLOTS];
    private int count;

    /// Forgets everything and takes these names.
    void replace(ByteBuffer stored) {
        requireNames(stored);
        BlockIndex fresh = new BlockIndex();
        fresh.addAll(stored);
        // Readers wait for this alone, and nobody else has the other one.
        synchronized (this) {
            slots = fresh.slots;
            count = fresh.count;
        }
    }

    /// Names that are gone, then names that are new. Either may be known or unknown already.
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

    /// How many blocks are here from the first one on, without a gap.
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

    /// Throws unless every name can be found and all are counted.
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
            throw new IllegalStateException(seen + " names are there and " + count + " counted");
        }
    }

    private static void requireNames(ByteBuffer names) {
        if (names.remaining() % NAME_BYTES != 0) {
            throw new IllegalArgumentException(
                    names.remaining() + " bytes are no names of " + NAME_BYTES + " bytes each");
        }
    }

    private synchronized void addAll(ByteBuffer stored) {
        while (stored.hasRemaining()) {
            add(stored.getLong(), stored.getLong());
        }
    }

    private void add(long high, long low) {
        // The one name that looks like a free slot; nobody will ever see it.
        if ((high | low) == 0 || count >= MOST || contains(high, low)) {
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

    /// The slot of a name, or the free one where it would go: the first from its home on.
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

    /// Closes the gap with those that stand behind it only because it was taken.
    private void remove(long high, long low) {
        int gap = find(high, low);
        if (isFree(gap)) {
            return;
        }
        count--;
        for (int slot = next(gap); !isFree(slot); slot = next(slot)) {
            int home = home(slots[2 * slot + 1]);
            boolean mayMove = distance(home, slot) >= distance(gap, slot);
            if (mayMove) {
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

    /// Steps from one slot forward to another.
    private int distance(int from, int to) {
        return (to - from) & (slots.length / 2 - 1);
    }
}
