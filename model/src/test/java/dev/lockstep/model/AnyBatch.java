// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Assertions;

/// Requires that a sequence has the same logits alone, in a mixed batch among padding, and in
/// chunks of any size.
final class AnyBatch {
    private AnyBatch() {}

    /// Requires the same bits.
    ///
    /// @param prompts the last of them is cut into chunks
    static void requireSameBits(TestGroup group, List<int[]> prompts) throws Exception {
        require(group, prompts, Assertions::assertArrayEquals);
    }

    /// Requires logits that differ by at most `tolerance`.
    static void requireClose(TestGroup group, List<int[]> prompts, float tolerance)
            throws Exception {
        require(
                group,
                prompts,
                (expected, actual) -> assertArrayEquals(expected, actual, tolerance));
    }

    private interface Comparison {
        void require(float[] expected, float[] actual);
    }

    private static void require(TestGroup group, List<int[]> prompts, Comparison comparison)
            throws Exception {
        List<float[][]> alone = new ArrayList<>();
        List<TestGroup.Row> together = new ArrayList<>();
        int block = 1;
        for (int[] prompt : prompts) {
            int[] blocks = TestGroup.blocks(block, prompt.length);
            block += blocks.length;
            var row = new TestGroup.Row(prompt, 0, blocks);
            alone.add(group.forward(List.of(row)));
            together.add(TestGroup.Row.padding(1));
            together.add(row);
        }
        together.add(TestGroup.Row.padding(2));
        float[][] mixed = group.forward(together.reversed());
        int token = 2;
        for (int i = alone.size() - 1; i >= 0; i--, token++) {
            for (float[] row : alone.get(i)) {
                comparison.require(row, mixed[token++]);
            }
        }
        int[] last = prompts.getLast();
        for (int chunk : new int[] {1, 7, 16, 33}) {
            int[] blocks = TestGroup.blocks(block, last.length);
            for (int from = 0; from < last.length; from += chunk) {
                int to = Math.min(last.length, from + chunk);
                int[] ids = Arrays.copyOfRange(last, from, to);
                float[][] cut = group.forward(List.of(new TestGroup.Row(ids, from, blocks)));
                for (int i = 0; i < ids.length; i++) {
                    comparison.require(alone.getLast()[from + i], cut[i]);
                }
            }
        }
    }
}
