// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;

/// An open-addressing map from long to a non-negative int; written while it is built, then read by
/// any thread.
///
/// `Long.MIN_VALUE` marks a free slot and cannot be a key.
final class LongIntMap {
    static final int NONE = -1;
    private static final long FREE = Long.MIN_VALUE;

    private long[] keys;
    private int[] values;
    private int size;

    LongIntMap(int expected) {
        int capacity = Integer.highestOneBit(Math.max(8, expected)) * 4;
        keys = new long[capacity];
        values = new int[capacity];
        Arrays.fill(keys, FREE);
    }

    static long key(int high, int low) {
        return (long) high << 32 | (low & 0xFFFF_FFFFL);
    }

    int get(long key) {
        int mask = keys.length - 1;
        for (int slot = slot(key, mask); ; slot = (slot + 1) & mask) {
            long found = keys[slot];
            if (found == key) {
                return values[slot];
            }
            if (found == FREE) {
                return NONE;
            }
        }
    }

    /// Puts a value, replacing the previous value of the key.
    void put(long key, int value) {
        if (key == FREE || value < 0) {
            throw new IllegalArgumentException(
                    "key " + key + " or value " + value + " is out of range");
        }
        if (size * 2 >= keys.length) {
            grow();
        }
        int mask = keys.length - 1;
        int slot = slot(key, mask);
        while (keys[slot] != FREE && keys[slot] != key) {
            slot = (slot + 1) & mask;
        }
        if (keys[slot] == FREE) {
            size++;
        }
        keys[slot] = key;
        values[slot] = value;
    }

    int size() {
        return size;
    }

    private void grow() {
        long[] oldKeys = keys;
        int[] oldValues = values;
        keys = new long[Math.multiplyExact(oldKeys.length, 2)];
        values = new int[keys.length];
        Arrays.fill(keys, FREE);
        size = 0;
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldKeys[i] != FREE) {
                put(oldKeys[i], oldValues[i]);
            }
        }
    }

    private static int slot(long key, int mask) {
        long mixed = key * 0x9E37_79B9_7F4A_7C15L;
        return (int) (mixed >>> 32 ^ mixed >>> 47) & mask;
    }
}
