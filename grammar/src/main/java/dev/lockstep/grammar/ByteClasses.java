// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;

/// A partition of the bytes such that no set of a grammar tells two bytes of a class apart.
final class ByteClasses {
    private final byte[] classes = new byte[256];
    private final int[] representatives;

    ByteClasses(Collection<BitSet> sets) {
        int[] current = new int[256];
        int count = 1;
        for (BitSet set : sets) {
            int[] split = new int[2 * count];
            Arrays.fill(split, -1);
            int parts = 0;
            int[] next = new int[256];
            for (int i = 0; i < 256; i++) {
                int key = current[i] * 2 + (set.get(i) ? 1 : 0);
                if (split[key] < 0) {
                    split[key] = parts++;
                }
                next[i] = split[key];
            }
            current = next;
            count = parts;
            if (count == 256) {
                break;
            }
        }
        representatives = new int[count];
        Arrays.fill(representatives, -1);
        for (int i = 0; i < 256; i++) {
            classes[i] = (byte) current[i];
            if (representatives[current[i]] < 0) {
                representatives[current[i]] = i;
            }
        }
    }

    int count() {
        return representatives.length;
    }

    int of(int value) {
        return classes[value & 0xFF] & 0xFF;
    }

    /// Some byte of a class.
    int representative(int byteClass) {
        return representatives[byteClass];
    }
}
