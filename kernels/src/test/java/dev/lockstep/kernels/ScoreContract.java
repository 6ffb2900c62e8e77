// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The contract of scoring given ids.
public interface ScoreContract extends KernelsContract {
    int MAX_TOP = SamplingSettings.MAX_TOP_LOGPROBS;
    // Sizes that fill chunks of 64 logits and sizes that do not; the last is that of a real model.
    List<Integer> VOCABULARIES = List.of(1, 7, 63, 64, 65, 200, 49152);
    // Marks values that must not be written.
    int UNTOUCHED = 42;

    @Test
    default void eachRowGetsItsTargetAndItsLogProbability() {
        for (int vocabulary : VOCABULARIES) {
            try (TestDevice device = device()) {
                var random = new Random(vocabulary);
                float[][] rows = rows(random, 5, vocabulary);
                int[] targets = {0, vocabulary - 1, vocabulary / 2, 0, 0};
                targets[3] = mostLikely(rows[3], 1)[0];
                targets[4] = random.nextInt(vocabulary);
                Samples out = samples(device, 5);
                score(device, rows, targets, 0, out);
                assertArrayEquals(targets, device.ints(out.ids()));
                float[] logprobs = device.floats(out.logprobs());
                for (int row = 0; row < rows.length; row++) {
                    requireLogprob(
                            SamplingReference.logSoftmax(rows[row])[targets[row]], logprobs[row]);
                }
            }
        }
    }

    @Test
    default void theRequestedNumberOfMostLikelyIdsWithTheLowestOfATieFirst() {
        for (int vocabulary : VOCABULARIES) {
            try (TestDevice device = device()) {
                var random = new Random(vocabulary);
                float[][] rows = rows(random, 3, vocabulary);
                for (int id = 0; id < vocabulary; id++) {
                    rows[1][id] = random.nextInt(4);
                    rows[2][id] = id % 20 == 6 ? rows[2][id] : Float.NEGATIVE_INFINITY;
                }
                for (int top : new int[] {0, 1, 5, MAX_TOP}) {
                    Samples out = samples(device, 3);
                    score(device, rows, new int[3], top, out);
                    for (int row = 0; row < rows.length; row++) {
                        requireMostLikely(
                                rows[row],
                                top,
                                device.ints(out.topIds().rows(row, row + 1)),
                                device.floats(out.topLogprobs().rows(row, row + 1)));
                    }
                }
            }
        }
    }

    @Test
    default void nanLogitsHaveNoProbability() {
        try (TestDevice device = device()) {
            float[][] rows = new float[5][70];
            Arrays.fill(rows[0], Float.NaN);
            rows[1][3] = Float.NaN;
            rows[2][68] = Float.POSITIVE_INFINITY;
            rows[3][68] = Float.POSITIVE_INFINITY;
            Arrays.fill(rows[4], Float.NEGATIVE_INFINITY);
            rows[4][9] = -5;
            Samples out = samples(device, 5);
            score(device, rows, new int[] {1, 3, 68, 1, 9}, 2, out);
            float[] logprobs = device.floats(out.logprobs());
            assertEquals(Float.NEGATIVE_INFINITY, logprobs[0], "every logit is NaN");
            assertEquals(Float.NEGATIVE_INFINITY, logprobs[1], "the target is NaN");
            assertEquals(0, logprobs[2], "infinity is certain");
            assertTrue(logprobs[3] < -1e30f, "another logit is infinite");
            assertEquals(0, logprobs[4], "the only finite logit is certain");
            int[] ids = device.ints(out.topIds());
            int[][] expected = {{-1, -1}, {0, 1}, {68, 0}, {68, 0}, {9, -1}};
            for (int row = 0; row < rows.length; row++) {
                assertArrayEquals(
                        expected[row], Arrays.copyOfRange(ids, row * MAX_TOP, row * MAX_TOP + 2));
            }
        }
    }

    @Test
    default void aSampledTokenIsScoredAsItWasSampled() {
        try (TestDevice device = device()) {
            int vocabulary = 1000;
            var run = new SamplingRun(device, 3, vocabulary);
            for (int slot = 0; slot < 3; slot++) {
                run.sampler().admit(slot, biased(slot), new int[] {1, 2}, new int[] {3});
            }
            float[][] rows = rows(new Random(21), 3, vocabulary);
            int[] ids = run.sample(rows, 0, 1, 2);
            int[] sampled = bits(device, run.samples().rows(3));
            Samples out = samples(device, 3);
            run.sampler().score(logits(device, rows), device.ints(1, 3, ids), MAX_TOP, out);
            assertArrayEquals(sampled, bits(device, out));
        }
    }

    @Test
    default void scoringChangesNoSlot() {
        try (TestDevice device = device()) {
            var run = new SamplingRun(device, 1, 200);
            SamplingSettings settings = SamplingRun.settings(1, 0.95f, 0, 0, 3, 0);
            run.sampler().admit(0, settings, new int[] {1}, new int[] {7});
            float[][] rows = rows(new Random(22), 4, 200);
            int drawn = run.sample(rows[0], 0);
            Tensor targets = device.ints(1, 4, 9, 8, 7, 6);
            run.sampler().score(logits(device, rows), targets, 3, samples(device, 4));
            assertEquals(drawn, run.sample(rows[0], 0));
            Tensor last = device.ints(1, 1, -1);
            run.sampler().resolve(last);
            assertArrayEquals(new int[] {7}, device.ints(last));
        }
    }

    @Test
    default void aScoreHasTheSameBitsInAnyBatchAndOnAnyThread() {
        assumeSameBitsInAnyBatch();
        int vocabulary = 5001;
        int count = 24;
        var random = new Random(23);
        float[][] rows = rows(random, count, vocabulary);
        int[] targets = random.ints(count, 0, vocabulary).toArray();
        int[][] alone = new int[count][];
        try (var device = new TestDevice(open(1))) {
            for (int row = 0; row < count; row++) {
                Samples out = samples(device, 1);
                score(device, new float[][] {rows[row]}, new int[] {targets[row]}, 5, out);
                alone[row] = bits(device, out);
            }
        }
        for (int threads = 1; threads <= 4; threads++) {
            try (var device = new TestDevice(open(threads))) {
                for (int batch : new int[] {1, 5, count}) {
                    for (int from = 0; from < count; from += batch) {
                        int to = Math.min(count, from + batch);
                        Samples out = samples(device, to - from);
                        score(
                                device,
                                Arrays.copyOfRange(rows, from, to),
                                Arrays.copyOfRange(targets, from, to),
                                5,
                                out);
                        for (int row = from; row < to; row++) {
                            int at = row - from;
                            assertArrayEquals(alone[row], bits(device, row(out, at)));
                        }
                    }
                }
            }
        }
    }

    @Test
    default void logitsMayBeColumnsOfAWiderTensor() {
        try (TestDevice device = device()) {
            int vocabulary = 133;
            float[][] wide = rows(new Random(24), 4, vocabulary + 5);
            float[][] rows = new float[4][];
            Arrays.setAll(rows, r -> Arrays.copyOfRange(wide[r], 3, 3 + vocabulary));
            int[] targets = {0, 132, 50, 64};
            Samples dense = samples(device, 4);
            score(device, rows, targets, 4, dense);
            Samples apart = samples(device, 4);
            sampler(device, vocabulary)
                    .score(
                            logits(device, wide).columns(3, 3 + vocabulary),
                            device.ints(1, 4, targets),
                            4,
                            apart);
            assertArrayEquals(device.ints(dense.topIds()), device.ints(apart.topIds()));
            // Logarithms of probabilities below 40.
            double bound = tolerances().probabilities() * 6e-6;
            requireSameInAnyBatch(
                    device.bits(dense.logprobs()),
                    device.bits(apart.logprobs()),
                    bound,
                    DType.F32,
                    "logprobs");
            requireSameInAnyBatch(
                    device.bits(dense.topLogprobs()),
                    device.bits(apart.topLogprobs()),
                    bound,
                    DType.F32,
                    "top logprobs");
        }
    }

    @Test
    default void invalidArgumentsAreRefusedAndNothingIsWritten() {
        try (TestDevice device = device()) {
            Sampler sampler = sampler(device, 8);
            Tensor logits = device.zeros(DType.F32, 2, 8);
            Tensor targets = device.ints(1, 2, 0, 7);
            Samples out = samples(device, 2);
            int[] before = bits(device, out);
            requireRefused(sampler, logits, targets, -1, out);
            requireRefused(sampler, logits, targets, MAX_TOP + 1, out);
            requireRefused(sampler, logits, device.ints(1, 1, 0), 1, out);
            requireRefused(sampler, device.zeros(DType.F32, 2, 9), targets, 1, out);
            var tooFew =
                    new Samples(
                            out.ids().columns(0, 1),
                            out.logprobs(),
                            out.topIds(),
                            out.topLogprobs());
            requireRefused(sampler, logits, targets, 1, tooFew);
            assertArrayEquals(before, bits(device, out));
        }
    }

    @Test
    default void aTargetOutsideTheVocabularyIsRefusedAndNoOtherRowIsWritten() {
        try (TestDevice device = device()) {
            Sampler sampler = sampler(device, 8);
            Samples out = samples(device, 3);
            int[] before = bits(device, row(out, 2));
            for (int wrong : new int[] {8, -1, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
                Tensor logits = device.zeros(DType.F32, 2, 8);
                Tensor targets = device.ints(1, 2, 0, wrong);
                device.requireRefused(() -> sampler.score(logits, targets, 1, out.rows(2)));
            }
            assertArrayEquals(before, bits(device, row(out, 2)));
        }
    }

    @Test
    default void aScoreHasTheSameBitsInARerun() {
        float[][] rows = rows(new Random(25), 3, 5001);
        List<int[]> runs = new ArrayList<>();
        for (int run = 0; run < 2; run++) {
            try (TestDevice device = device()) {
                Samples out = samples(device, 3);
                score(device, rows, new int[] {0, 5000, 64}, 5, out);
                runs.add(bits(device, out));
            }
        }
        assertArrayEquals(runs.getFirst(), runs.getLast());
    }

    @Test
    default void scoringNoTargetsWritesNothing() {
        try (TestDevice device = device()) {
            Samples out = samples(device, 1);
            int[] before = bits(device, out);
            sampler(device, 200)
                    .score(
                            device.zeros(DType.F32, 0, 200),
                            device.ints(1, 0),
                            MAX_TOP,
                            out.rows(0));
            assertArrayEquals(before, bits(device, out));
        }
    }

    private static void requireRefused(
            Sampler sampler, Tensor logits, Tensor targets, int top, Samples out) {
        assertThrows(
                IllegalArgumentException.class, () -> sampler.score(logits, targets, top, out));
    }

    private void requireMostLikely(float[] logits, int top, int[] ids, float[] values) {
        int[] expected = mostLikely(logits, top);
        double[] logprobs = SamplingReference.logSoftmax(logits);
        for (int i = 0; i < MAX_TOP; i++) {
            if (i < expected.length) {
                assertEquals(expected[i], ids[i]);
                requireLogprob(logprobs[expected[i]], values[i]);
            } else {
                assertEquals(i < top ? -1 : UNTOUCHED, ids[i]);
                assertEquals(i < top ? Float.NEGATIVE_INFINITY : UNTOUCHED, values[i]);
            }
        }
    }

    private void requireLogprob(double expected, float actual) {
        // Exponentials and their sums are floats of 64 terms; the result is rounded once more.
        double bound = 2e-6 + 1e-7 * Math.abs(expected);
        assertEquals(expected, actual, tolerances().probabilities() * bound);
    }

    /// Returns the ids of the greatest logits above minus infinity; the sort keeps the order of
    /// ties.
    private static int[] mostLikely(float[] logits, int count) {
        return IntStream.range(0, logits.length)
                .filter(id -> logits[id] > Float.NEGATIVE_INFINITY)
                .boxed()
                .sorted(Comparator.comparingDouble(id -> -logits[id]))
                .limit(count)
                .mapToInt(id -> id)
                .toArray();
    }

    /// Returns rows of different spreads.
    private static float[][] rows(Random random, int count, int vocabulary) {
        float[][] rows = new float[count][];
        for (int row = 0; row < count; row++) {
            rows[row] = TestValues.normal(random, vocabulary);
            for (int id = 0; id < vocabulary; id++) {
                rows[row][id] *= 1 + row % 5;
            }
        }
        return rows;
    }

    /// Returns settings that request all log-probabilities and make the choice differ from the raw
    /// logits.
    private static SamplingSettings biased(int slot) {
        float temperature = 0.7f * slot;
        Map<Integer, Float> bias = Map.of(4, 3f, 5, -100f);
        return SamplingSettings.builder()
                .temperature(temperature)
                .topP(0.9f)
                .repetitionPenalty(1.3f)
                .frequencyPenalty(0.2f)
                .presencePenalty(0.1f)
                .logitBias(bias)
                .seed(slot)
                .minTokens(9)
                .maskedIds(new int[] {0})
                .logprobs(true)
                .topLogprobs(MAX_TOP)
                .build();
    }

    private static Samples samples(TestDevice device, int rows) {
        float[] floats = new float[rows * MAX_TOP];
        Arrays.fill(floats, UNTOUCHED);
        int[] ints = new int[rows * MAX_TOP];
        Arrays.fill(ints, UNTOUCHED);
        return new Samples(
                device.ints(1, rows, Arrays.copyOf(ints, rows)),
                device.floats(1, rows, Arrays.copyOf(floats, rows)),
                device.ints(rows, MAX_TOP, ints),
                device.floats(rows, MAX_TOP, floats));
    }

    private static Samples row(Samples samples, int row) {
        return new Samples(
                samples.ids().columns(row, row + 1),
                samples.logprobs().columns(row, row + 1),
                samples.topIds().rows(row, row + 1),
                samples.topLogprobs().rows(row, row + 1));
    }

    /// Returns all values of `samples`, concatenated, floats as raw bits.
    private static int[] bits(TestDevice device, Samples samples) {
        return Stream.of(
                        device.ints(samples.ids()),
                        device.bits(samples.logprobs()),
                        device.ints(samples.topIds()),
                        device.bits(samples.topLogprobs()))
                .flatMapToInt(Arrays::stream)
                .toArray();
    }

    private static Tensor logits(TestDevice device, float[][] rows) {
        int width = rows[0].length;
        float[] flat = new float[rows.length * width];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, flat, row * width, width);
        }
        return device.floats(rows.length, width, flat);
    }

    private static Sampler sampler(TestDevice device, int vocabulary) {
        Sampler sampler = device.kernels().sampler(1, vocabulary);
        device.atClose(sampler::close);
        return sampler;
    }

    private static void score(
            TestDevice device, float[][] rows, int[] targets, int top, Samples out) {
        sampler(device, rows[0].length)
                .score(logits(device, rows), device.ints(1, targets.length, targets), top, out);
    }
}
