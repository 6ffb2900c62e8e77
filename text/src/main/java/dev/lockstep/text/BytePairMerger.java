// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;

/// The merge loop of byte pair encoding, in place on one word: merges the pair of lowest rank, the
/// leftmost among equal ranks.
///
/// Words of fewer than [#SCAN_LIMIT] symbols are scanned for the lowest rank; longer words use a
/// heap and cost n log n, so that a word of one megabyte costs no more per symbol than a page of
/// text.
final class BytePairMerger {
    private static final int SCAN_LIMIT = 48;
    private static final int NO_RANK = Integer.MAX_VALUE;

    private final MergeTable merges;

    BytePairMerger(MergeTable merges) {
        this.merges = merges;
    }

    /// Merges the symbols and returns the number left at the front of `symbols`.
    int merge(int[] symbols, int count) {
        return count < SCAN_LIMIT ? scan(symbols, count) : new Heap(symbols, count).merge();
    }

    private int scan(int[] symbols, int count) {
        int[] pairs = new int[count];
        for (int i = 0; i + 1 < count; i++) {
            pairs[i] = merges.find(symbols[i], symbols[i + 1]);
        }
        int left = count;
        while (left > 1) {
            int best = lowest(pairs, left - 1);
            if (best < 0) {
                break;
            }
            symbols[best] = merges.result(pairs[best]);
            left--;
            System.arraycopy(symbols, best + 2, symbols, best + 1, left - best - 1);
            System.arraycopy(pairs, best + 2, pairs, best + 1, Math.max(0, left - best - 2));
            if (best + 1 < left) {
                pairs[best] = merges.find(symbols[best], symbols[best + 1]);
            }
            if (best > 0) {
                pairs[best - 1] = merges.find(symbols[best - 1], symbols[best]);
            }
        }
        return left;
    }

    private int lowest(int[] pairs, int count) {
        int best = -1;
        int bestRank = NO_RANK;
        for (int i = 0; i < count; i++) {
            if (pairs[i] != MergeTable.NONE && merges.rank(pairs[i]) < bestRank) {
                best = i;
                bestRank = merges.rank(pairs[i]);
            }
        }
        return best;
    }

    /// The symbols as a linked list, and a heap of (rank, position).
    ///
    /// An entry whose pair has changed since is skipped because its rank no longer matches.
    private final class Heap {
        private final int[] symbols;
        private final int[] next;
        private final int[] previous;
        private long[] entries;
        private int size;

        Heap(int[] symbols, int count) {
            this.symbols = symbols;
            next = new int[count];
            previous = new int[count];
            entries = new long[count];
            for (int i = 0; i < count; i++) {
                next[i] = i + 1 < count ? i + 1 : -1;
                previous[i] = i - 1;
            }
            for (int i = 0; i + 1 < count; i++) {
                offer(i);
            }
        }

        int merge() {
            while (size > 0) {
                long entry = poll();
                int position = (int) entry;
                int merge = mergeAt(position);
                if (merge != MergeTable.NONE && merges.rank(merge) == (int) (entry >>> 32)) {
                    symbols[position] = merges.result(merge);
                    unlink(next[position]);
                    offer(position);
                    if (previous[position] >= 0) {
                        offer(previous[position]);
                    }
                }
            }
            int count = 0;
            for (int i = 0; i >= 0; i = next[i]) {
                symbols[count++] = symbols[i];
            }
            return count;
        }

        private void unlink(int position) {
            int before = previous[position];
            int after = next[position];
            next[before] = after;
            if (after >= 0) {
                previous[after] = before;
            }
            next[position] = -1;
            previous[position] = DEAD;
        }

        private int mergeAt(int position) {
            return previous[position] == DEAD || next[position] < 0
                    ? MergeTable.NONE
                    : merges.find(symbols[position], symbols[next[position]]);
        }

        private void offer(int position) {
            int merge = mergeAt(position);
            if (merge == MergeTable.NONE) {
                return;
            }
            if (size == entries.length) {
                entries = Arrays.copyOf(entries, Math.multiplyExact(size, 2));
            }
            long entry = (long) merges.rank(merge) << 32 | position;
            int child = size++;
            while (child > 0) {
                int parent = (child - 1) >>> 1;
                if (entries[parent] <= entry) {
                    break;
                }
                entries[child] = entries[parent];
                child = parent;
            }
            entries[child] = entry;
        }

        private long poll() {
            long lowest = entries[0];
            long moved = entries[--size];
            int parent = 0;
            while (2 * parent + 1 < size) {
                int child = 2 * parent + 1;
                if (child + 1 < size && entries[child + 1] < entries[child]) {
                    child++;
                }
                if (moved <= entries[child]) {
                    break;
                }
                entries[parent] = entries[child];
                parent = child;
            }
            entries[parent] = moved;
            return lowest;
        }
    }

    private static final int DEAD = -2;
}
