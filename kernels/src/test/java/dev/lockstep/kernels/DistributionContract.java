// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The contract of the distribution of sampled tokens.
public interface DistributionContract extends KernelsContract {
    int VOCABULARY = 200;

    /// Returns the tokens of each of 64 sequences that a frequency is counted from; fewer where a
    /// draw takes long.
    default int draws() {
        return 100;
    }

    @Test
    default void frequenciesMatchTheSoftmax() {
        float[] logits = TestValues.normal(new Random(11), VOCABULARY);
        for (float temperature : new float[] {0.3f, 1, 2.5f}) {
            requireFrequencies(logits, SamplingRun.settings(temperature, 1, 0, 0, 0, 0));
        }
    }

    @Tag("sweep")
    @Test
    default void frequenciesMatchTheFilteredDistribution() {
        float[] logits = TestValues.normal(new Random(12), VOCABULARY);
        float[] tied = TestValues.whole(new Random(13), VOCABULARY, 4);
        for (float[] row : new float[][] {logits, tied}) {
            requireFrequencies(row, SamplingRun.settings(1, 1, 10, 0, 0, 0));
            requireFrequencies(row, SamplingRun.settings(1.3f, 0.5f, 0, 0, 0, 0));
            requireFrequencies(row, SamplingRun.settings(0.8f, 1, 0, 0.2f, 0, 0));
            requireFrequencies(row, SamplingRun.settings(1, 0.7f, 30, 0.05f, 0, 0));
            requireFrequencies(row, SamplingRun.settings(1, 0.9f, VOCABULARY, 0, 0, 0));
            requireFrequencies(row, SamplingRun.settings(50, 0.97f, 0, 0, 0, 0));
            requireFrequencies(
                    row, SamplingSettings.builder().temperature(1).typicalP(0.5f).build());
            requireFrequencies(
                    row, SamplingSettings.builder().temperature(0.8f).typicalP(0.05f).build());
            requireFrequencies(
                    row,
                    SamplingSettings.builder()
                            .temperature(1)
                            .topK(30)
                            .minP(0.05f)
                            .topP(0.9f)
                            .typicalP(0.7f)
                            .build());
        }
    }

    @Test
    default void differentSeedsChoicesAndPositionsAreIndependent() {
        // Four equally likely tokens: pairs of draws must fill a 4 × 4 table evenly.
        float[] logits = new float[4];
        int[][] seeds = new int[4][4];
        int[][] choices = new int[4][4];
        int[][] positions = new int[4][4];
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 3, 4);
            for (int trial = 0; trial < 1000; trial++) {
                run.sampler()
                        .admit(
                                0,
                                SamplingRun.settings(1, 1, 0, 0, trial, 0),
                                new int[0],
                                new int[0]);
                run.sampler()
                        .admit(
                                1,
                                SamplingRun.settings(1, 1, 0, 0, trial + 1, 0),
                                new int[0],
                                new int[0]);
                run.sampler()
                        .admit(
                                2,
                                SamplingRun.settings(1, 1, 0, 0, trial, 1),
                                new int[0],
                                new int[0]);
                int[] ids = run.sampleAll(logits, 0, 1, 2);
                seeds[ids[0]][ids[1]]++;
                choices[ids[0]][ids[2]]++;
                run.record(0, ids[0]);
                positions[ids[0]][run.sample(logits, 0)]++;
            }
        }
        for (int[][] table : new int[][][] {seeds, choices, positions}) {
            double chiSquare = 0;
            for (int[] row : table) {
                for (int count : row) {
                    chiSquare += (count - 62.5) * (count - 62.5) / 62.5;
                }
            }
            // 15 degrees of freedom: above 50 once in 10^5.
            assertTrue(chiSquare < 50, () -> "χ² of a 4 × 4 table");
        }
    }

    /// Checks χ² of many draws against [SamplingReference]; an id of probability 0 must not be
    /// drawn.
    private void requireFrequencies(float[] logits, SamplingSettings settings) {
        int rows = 64;
        int positions = draws();
        int[] counts = new int[VOCABULARY];
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, rows, VOCABULARY);
            int[] slots = IntStream.range(0, rows).toArray();
            for (int slot : slots) {
                SamplingSettings seeded = settings.toBuilder().seed(1000 + slot).build();
                run.sampler().admit(slot, seeded, new int[0], new int[0]);
            }
            for (int position = 0; position < positions; position++) {
                int[] ids = run.sampleAll(logits, slots);
                run.record(slots, ids);
                for (int id : ids) {
                    counts[id]++;
                }
            }
        }
        double[] expected = SamplingReference.probabilities(logits, settings);
        double chiSquare = 0;
        double rest = 0;
        int rare = 0;
        int cells = 0;
        for (int id = 0; id < VOCABULARY; id++) {
            double mean = expected[id] * rows * positions;
            assertTrue(mean > 0 || counts[id] == 0, "id " + id + " was drawn");
            if (mean >= 5) {
                chiSquare += (counts[id] - mean) * (counts[id] - mean) / mean;
                cells++;
            } else {
                rest += mean;
                rare += counts[id];
            }
        }
        if (rest > 0) {
            chiSquare += (rare - rest) * (rare - rest) / rest;
            cells++;
        }
        // Mean f, variance 2f; an excess of five deviations occurs once in 10^5 at these sizes.
        int freedom = Math.max(1, cells - 1);
        double limit = freedom + 5 * Math.sqrt(2 * freedom) + 10;
        double found = chiSquare;
        assertTrue(found < limit, () -> settings + ": χ² " + found + ", limit " + limit);
    }
}
