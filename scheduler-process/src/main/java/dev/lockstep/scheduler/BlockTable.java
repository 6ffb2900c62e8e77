package dev.lockstep.scheduler;

import java.util.Arrays;

/// The blocks of one sequence in one KV group, in order of position: block i holds positions `[i ×
/// blockSize, (i + 1) × blockSize)`.
final class BlockTable {
    private int[] ids = new int[8];
    private int size;

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
}
