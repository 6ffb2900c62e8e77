// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Requires that a sequence has the same bits alone, in a mixed batch among padding, and in chunks
/// of any size.
final class SameBits {
    private SameBits() {}

    /// @param prompts the last of them is cut into chunks
    static void require(TestGroup group, List<int[]> prompts) throws Exception {
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
                assertArrayEquals(row, mixed[token++]);
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
                    assertArrayEquals(alone.getLast()[from + i], cut[i]);
                }
            }
        }
    }
}
