// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// The contract of sampling tokens.
public interface SamplerContract extends KernelsContract {
    int VOCABULARY = 200;
    int LARGE_VOCABULARY = 49152;

    @Test
    default void greedyChoosesTheGreatestLogitAndTheLowestIdOfATie() {
        try (TestDevice device = device()) {
            for (int vocabulary : new int[] {1, 5, 63, 64, 200, LARGE_VOCABULARY}) {
                var run = new SamplingRun(device, 1, vocabulary);
                run.sampler().admit(0, SamplingSettings.greedy(), new int[0], new int[0]);
                var random = new Random(vocabulary);
                for (int trial = 0; trial < 20; trial++) {
                    float[] logits = TestValues.normal(random, vocabulary);
                    int first = random.nextInt(vocabulary);
                    int second = random.nextInt(vocabulary);
                    logits[first] = 9;
                    logits[second] = 9;
                    assertEquals(Math.min(first, second), run.sample(logits, 0));
                }
            }
        }
    }

    @Test
    default void aTopKOfOneIsGreedyAtAnyTemperature() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 4, VOCABULARY);
            float[] temperatures = {1e-30f, 0.5f, 1, 1e6f};
            for (int slot = 0; slot < 4; slot++) {
                SamplingSettings settings =
                        SamplingRun.settings(temperatures[slot], 1, 1, 0, slot, 0);
                run.sampler().admit(slot, settings, new int[0], new int[0]);
            }
            for (int trial = 0; trial < 50; trial++) {
                // Whole numbers, so that the greatest logit is often tied.
                float[] logits = TestValues.whole(new Random(trial), VOCABULARY, 9);
                int greedy = first(logits);
                assertArrayEquals(
                        new int[] {greedy, greedy, greedy, greedy},
                        run.sampleAll(logits, 0, 1, 2, 3));
            }
        }
    }

    @Test
    default void aTinyTemperatureIsGreedy() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 2, VOCABULARY);
            run.sampler()
                    .admit(0, SamplingRun.settings(1e-40f, 1, 0, 0, 1, 0), new int[0], new int[0]);
            run.sampler()
                    .admit(
                            1,
                            SamplingRun.settings(1e-40f, 0.9f, 0, 0, 1, 0),
                            new int[0],
                            new int[0]);
            for (int trial = 0; trial < 20; trial++) {
                float[] logits = TestValues.normal(new Random(trial), VOCABULARY);
                int greedy = first(logits);
                assertArrayEquals(new int[] {greedy, greedy}, run.sampleAll(logits, 0, 1));
            }
        }
    }

    /// A mask holds for the samples until the next one or the next admission; it changes neither
    /// the raw log-probabilities nor the noise of the ids that it allows.
    @Test
    default void onlyAllowedIdsAreChosen() {
        SamplingSettings[] all = {
            SamplingSettings.greedy(),
            SamplingRun.measured(SamplingRun.settings(1, 1, 0, 0, 7, 0), 3),
            SamplingRun.settings(0.9f, 0.9f, 0, 0, 7, 0),
            SamplingRun.settings(0.9f, 1, 5, 0.01f, 7, 0)
        };
        int[] slots = IntStream.range(0, all.length).toArray();
        try (TestDevice device = device()) {
            for (int vocabulary : new int[] {1, 63, 64, 65, VOCABULARY, LARGE_VOCABULARY}) {
                var run = new SamplingRun(device, all.length, vocabulary);
                var random = new Random(vocabulary);
                for (int trial = 0; trial < 8; trial++) {
                    float[] logits = TestValues.normal(random, vocabulary);
                    BitSet allowed = allowed(random, vocabulary);
                    float[] masked = logits.clone();
                    for (int id = 0; id < vocabulary; id++) {
                        masked[id] = allowed.get(id) ? logits[id] : Float.NEGATIVE_INFINITY;
                    }
                    for (int slot : slots) {
                        run.sampler().admit(slot, all[slot], new int[] {0}, new int[0]);
                    }
                    int[] expected = run.sampleAll(masked, slots);
                    int[] free = run.sampleAll(logits, slots);
                    float[] freeLogprobs = device.floats(run.samples().rows(2).topLogprobs());
                    for (int slot : slots) {
                        run.sampler().allow(slot, mask(new BitSet(), vocabulary));
                        run.sampler().allow(slot, mask(allowed, vocabulary));
                    }
                    for (int again = 0; again < 2; again++) {
                        assertArrayEquals(expected, run.sampleAll(logits, slots));
                        for (int id : expected) {
                            assertTrue(allowed.get(id));
                        }
                        Samples measured = run.samples().rows(2);
                        assertArrayEquals(freeLogprobs, device.floats(measured.topLogprobs()));
                    }
                    for (int slot : slots) {
                        run.sampler().admit(slot, all[slot], new int[] {0}, new int[0]);
                    }
                    assertArrayEquals(free, run.sampleAll(logits, slots));
                }
            }
        }
    }

    private static BitSet allowed(Random random, int vocabulary) {
        var allowed = new BitSet();
        int density = random.nextInt(3);
        for (int id = 0; id < vocabulary; id++) {
            allowed.set(id, random.nextInt(100) < 5 + 45 * density);
        }
        allowed.set(random.nextInt(vocabulary));
        return allowed;
    }

    private static long[] mask(BitSet allowed, int vocabulary) {
        return Arrays.copyOf(allowed.toLongArray(), (vocabulary + 63) / 64);
    }

    @Test
    default void aMaskThatIsTooShortIsRefused() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 1, 65);
            run.sampler().admit(0, SamplingSettings.greedy(), new int[0], new int[0]);
            assertThrows(
                    IllegalArgumentException.class, () -> run.sampler().allow(0, new long[] {1}));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> run.sampler().allow(1, new long[] {1, 1}));
        }
    }

    /// Ids that were not sampled count as those that were: for the noise of later ids, penalties
    /// and the last id.
    @Test
    default void appendedIdsCountAsRecordedOnes() {
        SamplingSettings settings =
                SamplingRun.settings(0.9f, 0.95f, 0, 0, 5, 1).toBuilder()
                        .frequencyPenalty(0.7f)
                        .repetitionPenalty(1.3f)
                        .build();
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 2, VOCABULARY);
            float[] logits = TestValues.normal(new Random(8), VOCABULARY);
            for (int slot = 0; slot < 2; slot++) {
                run.sampler().admit(slot, settings, new int[] {1, 2}, new int[] {3});
            }
            for (int trial = 0; trial < 10; trial++) {
                int[] ids = new Random(trial).ints(trial, 0, VOCABULARY).toArray();
                run.sampler().append(0, ids);
                for (int id : ids) {
                    run.record(1, id);
                }
                int[] both = run.sampleAll(logits, 0, 1);
                assertEquals(both[1], both[0]);
                run.record(new int[] {0, 1}, both);
            }
            run.sampler().append(0, new int[] {9, 11});
            Tensor last = device.zeros(DType.I32, 1, 1);
            device.kernels().copyToDevice(MemorySegment.ofArray(new int[] {-1}), last);
            run.sampler().resolve(last);
            assertArrayEquals(new int[] {11}, device.ints(last));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> run.sampler().append(0, new int[] {VOCABULARY}));
        }
    }

    @Test
    default void nanLogitsAreNeverChosen() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 4, VOCABULARY);
            run.sampler().admit(0, SamplingSettings.greedy(), new int[0], new int[0]);
            run.sampler().admit(1, SamplingRun.settings(1, 1, 0, 0, 7, 0), new int[0], new int[0]);
            run.sampler()
                    .admit(2, SamplingRun.settings(1, 0.9f, 0, 0, 7, 0), new int[0], new int[0]);
            run.sampler()
                    .admit(
                            3,
                            SamplingRun.measured(SamplingRun.settings(1, 1, 9, 0, 7, 0), 5),
                            new int[0],
                            new int[0]);
            float[] logits = new float[VOCABULARY];
            Arrays.fill(logits, Float.NaN);
            for (int id : run.sampleAll(logits, 0, 1, 2, 3)) {
                assertEquals(0, id);
            }
            logits[3] = Float.NEGATIVE_INFINITY;
            logits[150] = -1e30f;
            for (int id : run.sampleAll(logits, 0, 1, 2, 3)) {
                assertEquals(150, id);
            }
            logits[77] = Float.POSITIVE_INFINITY;
            for (int id : run.sampleAll(logits, 0, 1, 2, 3)) {
                assertEquals(77, id);
            }
        }
    }

    @Test
    default void aDrawIsTheSameInAnyRowSlotAndThread() {
        SamplingSettings[] all = {
            SamplingRun.settings(1, 1, 0, 0, 99, 2),
            SamplingRun.settings(0.9f, 0.95f, 0, 0, 99, 2),
            SamplingRun.settings(0.9f, 1, 40, 0.01f, 99, 2)
        };
        float[] logits = TestValues.normal(new Random(14), LARGE_VOCABULARY);
        for (SamplingSettings settings : all) {
            int expected;
            try (var device = new TestDevice(open(1))) {
                var run = new SamplingRun(device, 1, LARGE_VOCABULARY);
                run.sampler().admit(0, settings, new int[] {1}, new int[] {5, 6});
                expected = run.sample(logits, 0);
            }
            for (int threads = 1; threads <= 3; threads++) {
                try (var device = new TestDevice(open(threads))) {
                    var run = new SamplingRun(device, 8, LARGE_VOCABULARY);
                    float[][] rows = new float[6][];
                    for (int row = 0; row < 6; row++) {
                        run.sampler()
                                .admit(
                                        row,
                                        SamplingRun.settings(1, 0.5f, row, 0, row, 0),
                                        new int[0],
                                        new int[0]);
                        rows[row] = TestValues.normal(new Random(row), LARGE_VOCABULARY);
                    }
                    run.sampler().admit(7, settings, new int[] {4, 4}, new int[] {8, 9});
                    rows[threads] = logits;
                    int[] slots = {0, 1, 2, 3, 4, 5};
                    slots[threads] = 7;
                    assertEquals(expected, run.sample(rows, slots)[threads]);
                }
            }
        }
    }

    @Test
    default void aPreemptedSequenceContinuesWithTheSameTokens() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 2, VOCABULARY);
            SamplingSettings settings =
                    SamplingSettings.builder()
                            .temperature(1)
                            .topP(0.9f)
                            .repetitionPenalty(1.2f)
                            .frequencyPenalty(0.3f)
                            .presencePenalty(0.2f)
                            .logitBias(Map.of(3, 2f))
                            .seed(5)
                            .minTokens(4)
                            .maskedIds(new int[] {9})
                            .build();
            int[] prompt = {1, 2, 3};
            run.sampler().admit(0, settings, prompt, new int[0]);
            var random = new Random(15);
            int[] outputs = new int[12];
            for (int i = 0; i < outputs.length; i++) {
                float[] logits = TestValues.normal(random, VOCABULARY);
                run.sampler().admit(1, settings, prompt, Arrays.copyOf(outputs, i));
                int[] both = run.sampleAll(logits, 0, 1);
                assertEquals(both[0], both[1], "token " + i);
                outputs[i] = both[0];
                run.record(0, both[0]);
            }
        }
    }

    @Test
    default void penaltiesCountPromptAndOutput() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 1, 8);
            float[] logits = {4, 3.9f, 3.8f, -1, -1.1f, 0, 0, 0};
            admit(run, 2, 0, 0, Map.of(), 0);
            assertEquals(1, run.sample(logits, 0), "id 0 is in the prompt: 4 becomes 2");
            run.record(0, 1);
            assertEquals(2, run.sample(logits, 0), "id 1 is in the output");
            admit(run, 1, 0.06f, 0, Map.of(), 0);
            run.record(0, 0);
            assertEquals(0, run.sample(logits, 0), "once: 3.94");
            run.record(0, 0);
            assertEquals(1, run.sample(logits, 0), "twice: 3.88");
            admit(run, 1, 0, 0.15f, Map.of(), 0);
            run.record(0, 0);
            run.record(0, 0);
            assertEquals(1, run.sample(logits, 0), "presence counts once: 3.85");
            float[] negative = {-1, -1.5f, -9, -9, -9, -9, -9, -9};
            admit(run, 2, 0, 0, Map.of(), 0);
            assertEquals(1, run.sample(negative, 0), "a negative logit is multiplied");
        }
    }

    @Test
    default void biasesAreAddedAndMaskedIdsWaitForTheMinimumTokens() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 1, 8);
            float[] logits = {4, 3, 2, 1, 0, 0, 0, 0};
            admit(run, 1, 0, 0, Map.of(2, 5f, 0, -100f), 0);
            assertEquals(2, run.sample(logits, 0));
            admit(run, 1, 0, 0, Map.of(0, 100f), 2);
            assertEquals(1, run.sample(logits, 0), "a bias does not unmask");
            run.record(0, 1);
            assertEquals(1, run.sample(logits, 0));
            run.record(0, 1);
            assertEquals(0, run.sample(logits, 0), "two tokens are enough");
        }
    }

    @Test
    default void logprobsAreComputedFromTheRawLogits() {
        try (TestDevice device = device()) {
            for (int vocabulary : new int[] {7, VOCABULARY, LARGE_VOCABULARY}) {
                var run = new SamplingRun(device, 2, vocabulary);
                SamplingSettings settings =
                        SamplingSettings.builder()
                                .temperature(0.5f)
                                .topP(0.9f)
                                .logitBias(Map.of(4, 50f))
                                .seed(3)
                                .logprobs(true)
                                .topLogprobs(20)
                                .build();
                run.sampler().admit(1, settings, new int[0], new int[0]);
                float[] logits = TestValues.normal(new Random(16), vocabulary);
                // Tied, and among the twenty: the lower id comes first.
                logits[5] = 3;
                logits[2] = 3;
                assertEquals(4, run.sample(logits, 1));
                double[] expected = SamplingReference.logSoftmax(logits);
                // Exponentials and their sums are floats of 64 terms.
                double bound = tolerances().probabilities() * 2e-6;
                assertEquals(expected[4], device.floats(run.samples().logprobs())[0], bound);
                int[] ids = device.ints(run.samples().topIds().rows(0, 1));
                float[] values = device.floats(run.samples().topLogprobs().rows(0, 1));
                int[] order =
                        IntStream.range(0, vocabulary)
                                .boxed()
                                .sorted((a, b) -> Float.compare(logits[b], logits[a]))
                                .mapToInt(id -> id)
                                .limit(20)
                                .toArray();
                assertArrayEquals(order, Arrays.copyOf(ids, order.length));
                for (int i = 0; i < order.length; i++) {
                    assertEquals(expected[order[i]], values[i], bound);
                }
                for (int i = order.length; i < 20; i++) {
                    assertEquals(-1, ids[i]);
                    assertEquals(Float.NEGATIVE_INFINITY, values[i]);
                }
            }
        }
    }

    @Test
    default void logprobsThatAreNotRequestedAreNotWritten() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 1, VOCABULARY);
            run.sampler().admit(0, SamplingSettings.greedy(), new int[0], new int[0]);
            Tensor before = device.floats(1, 1, 42);
            var samples =
                    new Samples(
                            run.samples().ids().columns(0, 1),
                            before,
                            run.samples().topIds().rows(0, 1),
                            run.samples().topLogprobs().rows(0, 1));
            run.sampler()
                    .sample(device.zeros(DType.F32, 1, VOCABULARY), device.ints(1, 1, 0), samples);
            assertEquals(42, device.floats(before)[0]);
        }
    }

    @Test
    default void idsOfRunningSlotsResolveToTheLastRecorded() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 4, VOCABULARY);
            run.sampler().admit(0, SamplingSettings.greedy(), new int[] {1}, new int[0]);
            run.sampler().admit(3, SamplingSettings.greedy(), new int[] {1}, new int[] {7, 8});
            run.record(new int[] {0}, new int[] {55});
            Tensor ids = device.ints(1, 4, 10, -1, -4, 11);
            run.sampler().resolve(ids);
            assertArrayEquals(new int[] {10, 55, 8, 11}, device.ints(ids));
        }
    }

    @Test
    default void argumentsOutOfRangeAreRefused() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 2, 8);
            int[] none = {};
            SamplingSettings greedy = SamplingSettings.greedy();
            assertThrows(
                    IllegalArgumentException.class,
                    () -> run.sampler().admit(2, greedy, none, none));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> run.sampler().admit(0, greedy, new int[] {8}, none));
            assertThrows(RuntimeException.class, () -> run.sample(new float[8], 1));
            run.sampler().admit(1, greedy, none, none);
            run.sample(new float[8], 1);
            run.sampler().release(1);
            assertThrows(RuntimeException.class, () -> run.sample(new float[8], 1));
            device.requireRefused(() -> run.sample(new float[8], 2));
            device.requireRefused(() -> run.record(2, 0));
            run.sampler().admit(1, greedy, none, none);
            device.requireRefused(() -> run.record(1, 8));
            Tensor ids = device.ints(1, 1, -3);
            device.requireRefused(() -> run.sampler().resolve(ids));
        }
    }

    private static void admit(
            SamplingRun run,
            float repetition,
            float frequency,
            float presence,
            Map<Integer, Float> bias,
            int minTokens) {
        run.sampler()
                .admit(
                        0,
                        SamplingSettings.builder()
                                .repetitionPenalty(repetition)
                                .frequencyPenalty(frequency)
                                .presencePenalty(presence)
                                .logitBias(bias)
                                .minTokens(minTokens)
                                .maskedIds(new int[] {0})
                                .build(),
                        new int[] {0},
                        new int[0]);
    }

    private static int first(float[] logits) {
        int best = 0;
        for (int id = 1; id < logits.length; id++) {
            if (logits[id] > logits[best]) {
                best = id;
            }
        }
        return best;
    }
}
