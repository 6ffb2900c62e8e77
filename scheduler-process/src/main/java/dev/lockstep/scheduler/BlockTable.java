// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Arrays;

/// The blocks of one sequence in one KV group, in order of position: block i holds positions `[i ×
/// blockSize, (i + 1) × blockSize)`. Blocks that a window has passed are the null block.
final class BlockTable {
    private int[] ids = new int[8];
    private int size;
    private int dropped;

    int size() {
        return size;
    }

    int block(int index) {
        if (index >= size) {
            throw new IndexOutOfBoundsException("block " + index + " of a table of " + size);
        }
        return ids[index];
    }

    void append(int id) {
        if (size == ids.length) {
            ids = Arrays.copyOf(ids, size * 2);
        }
        ids[size++] = id;
    }

    /// Returns blocks `[from, size)`, for a plan.
    int[] tail(int from) {
        return Arrays.copyOfRange(ids, from, size);
    }

    /// Number of null blocks at the beginning.
    int dropped() {
        return dropped;
    }

    /// Replaces the first block that is not the null block by it, and returns that block.
    int drop() {
        int block = block(dropped);
        ids[dropped++] = BlockPool.NULL_BLOCK;
        return block;
    }

    /// Appends null blocks, for the positions preceding the window of a sequence that begins here.
    void appendDropped(int count) {
        if (dropped != size) {
            throw new IllegalStateException("null blocks after " + size + " others");
        }
        for (int i = 0; i < count; i++) {
            append(BlockPool.NULL_BLOCK);
        }
        dropped += count;
    }

    void clear() {
        size = 0;
        dropped = 0;
    }
}
