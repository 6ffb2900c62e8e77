// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;

/// A growing list of primitive ints; belongs to one thread.
final class IntList {
    private int[] values;
    private int size;

    IntList() {
        this(16);
    }

    IntList(int capacity) {
        values = new int[Math.max(4, capacity)];
    }

    void add(int value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, Math.multiplyExact(size, 2));
        }
        values[size++] = value;
    }

    void addAll(int[] added) {
        int newSize = Math.addExact(size, added.length);
        if (newSize > values.length) {
            values = Arrays.copyOf(values, Math.max(newSize, size * 2));
        }
        System.arraycopy(added, 0, values, size, added.length);
        size = newSize;
    }

    void set(int index, int value) {
        values[index] = value;
    }

    int at(int index) {
        return values[index];
    }

    int size() {
        return size;
    }

    boolean isEmpty() {
        return size == 0;
    }

    void clear() {
        size = 0;
    }

    int[] toArray() {
        return toArray(0);
    }

    int[] toArray(int from) {
        return Arrays.copyOfRange(values, from, size);
    }
}
