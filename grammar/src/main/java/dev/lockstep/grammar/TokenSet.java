// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;

/// Ids as a list while they are few, as bits when they are many.
final class TokenSet {
    private int[] list = new int[16];
    private int count;
    private long[] bits = {};
    private final int words;

    TokenSet(int words) {
        this.words = words;
    }

    void add(int id) {
        if (bits.length > 0) {
            bits[id >>> 6] |= 1L << id;
            return;
        }
        if (count == list.length) {
            if (4L * count > words) {
                long[] all = bits();
                all[id >>> 6] |= 1L << id;
                return;
            }
            list = Arrays.copyOf(list, 2 * count);
        }
        list[count++] = id;
    }

    /// Removes an id from a set of many.
    void removeFromBits(int id) {
        bits[id >>> 6] &= ~(1L << id);
    }

    void addAll(long[] others) {
        long[] all = bits();
        for (int i = 0; i < words; i++) {
            all[i] |= others[i];
        }
    }

    void addAll(TokenSet others) {
        if (others.bits.length > 0) {
            addAll(others.bits);
        } else {
            for (int i = 0; i < others.count; i++) {
                add(others.list[i]);
            }
        }
    }

    private long[] bits() {
        if (bits.length == 0) {
            bits = new long[words];
            for (int i = 0; i < count; i++) {
                bits[list[i] >>> 6] |= 1L << list[i];
            }
            list = new int[0];
            count = 0;
        }
        return bits;
    }

    void trim() {
        list = Arrays.copyOf(list, count);
    }

    /// Writes the first words of a mask; those behind are left alone.
    void copyTo(long[] mask) {
        if (bits.length > 0) {
            System.arraycopy(bits, 0, mask, 0, words);
            return;
        }
        Arrays.fill(mask, 0, words, 0);
        for (int i = 0; i < count; i++) {
            mask[list[i] >>> 6] |= 1L << list[i];
        }
    }

    long bytes() {
        return 64 + 8L * bits.length + 4L * list.length;
    }
}
