// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.util.Arrays;

/// The count of each token id in the output of a sequence; prompt ids are included with count 0. An
/// open hash table; entry i is the i-th distinct id that was seen.
final class TokenCounts {
    private static final int FREE = -1;

    private int[] ids = new int[16];
    private int[] counts = new int[16];
    private int[] table = new int[64];
    private int size;

    TokenCounts() {
        Arrays.fill(table, FREE);
    }

    int size() {
        return size;
    }

    int id(int entry) {
        return ids[entry];
    }

    int count(int entry) {
        return counts[entry];
    }

    void addPrompt(int id) {
        entry(id);
    }

    void addOutput(int id) {
        // Growing replaces the array, so the entry is computed first.
        int entry = entry(id);
        counts[entry]++;
    }

    private int entry(int id) {
        int place = place(id);
        if (table[place] == FREE) {
            grow();
            place = place(id);
            table[place] = size;
            ids[size] = id;
            counts[size] = 0;
            size++;
        }
        return table[place];
    }

    private int place(int id) {
        int place = (id * 0x9E3779B9) >>> 8 & (table.length - 1);
        while (table[place] != FREE && ids[table[place]] != id) {
            place = (place + 1) & (table.length - 1);
        }
        return place;
    }

    private void grow() {
        if (size < ids.length) {
            return;
        }
        ids = Arrays.copyOf(ids, 2 * size);
        counts = Arrays.copyOf(counts, 2 * size);
        table = new int[4 * ids.length];
        Arrays.fill(table, FREE);
        for (int i = 0; i < size; i++) {
            table[place(ids[i])] = i;
        }
    }
}
