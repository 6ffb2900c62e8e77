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
    /// What a sequence has alone, a row for each token of its prompt.
    private record Alone(int[] prompt, float[][] logits) {}

    private interface Comparison {
        void require(float[] expected, float[] actual);
    }

    private AnyBatch() {}

    /// Requires the same bits.
    ///
    /// @param prompts the last of them is cut into chunks
    static void requireSameBits(TestGroup group, List<int[]> prompts) throws Exception {
        List<Alone> alone = new ArrayList<>();
        int block = 1;
        for (int[] prompt : prompts) {
            int[] blocks = TestGroup.blocks(block, prompt.length);
            block += blocks.length;
            var row = new TestGroup.Row(prompt, 0, blocks);
            alone.add(new Alone(prompt, group.forward(List.of(row))));
        }
        requireTogether(group, alone, Assertions::assertArrayEquals);
        requireInChunks(
                group, alone.getLast(), List.of(1, 7, 16, 33), Assertions::assertArrayEquals);
    }

    /// Requires the recorded logits up to `tolerance`.
    static void requireRecorded(TestGroup group, Goldens goldens, float tolerance)
            throws Exception {
        List<Alone> recorded =
                goldens.cases().stream()
                        .map(each -> new Alone(each.prompt(), each.logits()))
                        .toList();
        Comparison comparison =
                (expected, actual) -> assertArrayEquals(expected, actual, tolerance);
        requireTogether(group, recorded, comparison);
        requireInChunks(group, recorded.getLast(), List.of(7, 33), comparison);
    }

    private static void requireTogether(
            TestGroup group, List<Alone> sequences, Comparison comparison) throws Exception {
        List<TestGroup.Row> together = new ArrayList<>();
        int block = 1;
        for (Alone each : sequences) {
            int[] blocks = TestGroup.blocks(block, each.prompt().length);
            block += blocks.length;
            together.add(TestGroup.Row.padding(1));
            together.add(new TestGroup.Row(each.prompt(), 0, blocks));
        }
        together.add(TestGroup.Row.padding(2));
        float[][] mixed = group.forward(together.reversed());
        int token = 2;
        for (Alone each : sequences.reversed()) {
            for (float[] row : each.logits()) {
                comparison.require(row, mixed[token++]);
            }
            token++;
        }
    }

    private static void requireInChunks(
            TestGroup group, Alone sequence, List<Integer> sizes, Comparison comparison)
            throws Exception {
        int[] prompt = sequence.prompt();
        int[] blocks = TestGroup.blocks(1, prompt.length);
        for (int chunk : sizes) {
            for (int from = 0; from < prompt.length; from += chunk) {
                int to = Math.min(prompt.length, from + chunk);
                int[] ids = Arrays.copyOfRange(prompt, from, to);
                var row = new TestGroup.Row(ids, from, blocks).ofPrompt(prompt.length);
                float[][] cut = group.forward(List.of(row));
                for (int i = 0; i < ids.length; i++) {
                    comparison.require(sequence.logits()[from + i], cut[i]);
                }
            }
        }
    }
}
