// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;

/// The merges of adjacent symbols with their ranks and results; written while it is built, then
/// read by any thread.
///
/// A symbol is a token id, or `~codePoint` for a character that is not a token. Lower ranks merge
/// first; ranks may be equal.
final class MergeTable {
    static final int NONE = LongIntMap.NONE;

    private final LongIntMap index;
    private int[] ranks;
    private int[] results;
    private int size;

    MergeTable(int expected) {
        index = new LongIntMap(expected);
        ranks = new int[Math.max(16, expected)];
        results = new int[ranks.length];
    }

    /// Puts a merge, replacing the previous merge of the pair.
    void put(int left, int right, int rank, int result) {
        if (size == ranks.length) {
            ranks = Arrays.copyOf(ranks, Math.multiplyExact(size, 2));
            results = Arrays.copyOf(results, ranks.length);
        }
        ranks[size] = rank;
        results[size] = result;
        index.put(LongIntMap.key(left, right), size++);
    }

    /// Returns the index of the merge of these two symbols, or [#NONE].
    int find(int left, int right) {
        return index.get(LongIntMap.key(left, right));
    }

    int rank(int merge) {
        return ranks[merge];
    }

    int result(int merge) {
        return results[merge];
    }
}
