// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class BytePairMergerTest {
    /// Uses three symbols and random merges: chains of merges and equal ranks at every length, with
    /// scan and heap.
    @Test
    void wordsOfAnyLengthMergeLikeTheNaiveAlgorithm() {
        for (int seed = 0; seed < 300; seed++) {
            var random = new Random(seed);
            var merges = new MergeTable(32);
            int results = 3;
            for (int i = 0; i < 24; i++) {
                int left = random.nextInt(results);
                int right = random.nextInt(results);
                if (merges.find(left, right) == MergeTable.NONE) {
                    merges.put(left, right, random.nextInt(12), results++);
                }
            }
            int[] word = random.ints(1 + random.nextInt(200), 0, 3).toArray();
            int[] expected = naive(word, merges);
            int count = new BytePairMerger(merges).merge(word, word.length);
            assertArrayEquals(expected, Arrays.copyOf(word, count), "seed " + seed);
        }
    }

    private static int[] naive(int[] word, MergeTable merges) {
        List<Integer> symbols = new ArrayList<>(Arrays.stream(word).boxed().toList());
        while (true) {
            int best = -1;
            int bestMerge = MergeTable.NONE;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                int merge = merges.find(symbols.get(i), symbols.get(i + 1));
                if (merge != MergeTable.NONE
                        && (best < 0 || merges.rank(merge) < merges.rank(bestMerge))) {
                    best = i;
                    bestMerge = merge;
                }
            }
            if (best < 0) {
                return symbols.stream().mapToInt(Integer::intValue).toArray();
            }
            symbols.set(best, merges.result(bestMerge));
            symbols.remove(/* index */ best + 1);
        }
    }
}
