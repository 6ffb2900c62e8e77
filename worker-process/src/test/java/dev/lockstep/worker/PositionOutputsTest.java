// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.SamplingSettings;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class PositionOutputsTest extends TinyWorkerSetting {
    private static final int[] NONE = {};

    private static Step.Admission admission(
            int slot, int[] prompt, OutputSettings outputs, boolean withoutKv) {
        return new Step.Admission(
                "r", slot, prompt, NONE, SamplingSettings.greedy(), 0, outputs, false, withoutKv);
    }

    private static Step.Row withoutBlocks(int slot, int count) {
        return new Step.Row(slot, 0, count, List.of(NONE), List.of());
    }

    /// Returns the outputs of a prompt that is computed with blocks in rows of these lengths.
    private static List<StepOutcome.Outputs> outputs(
            Session session, int[] prompt, OutputSettings wanted, int... chunks) {
        List<StepOutcome.Outputs> all = new ArrayList<>();
        int computed = 0;
        for (int chunk : chunks) {
            List<Step.Admission> admitted =
                    computed == 0
                            ? List.of(admission(2, prompt, wanted, false))
                            : List.<Step.Admission>of();
            int[] blocks = computed == 0 ? new int[] {7, 8, 9, 10} : NONE;
            StepOutcome outcome =
                    session.run(
                            TestWorker.step(
                                    session,
                                    NONE,
                                    admitted,
                                    TestWorker.row(2, computed, chunk, blocks)));
            assertTrue(outcome.sampled().isEmpty(), "no token is generated");
            all.addAll(outcome.outputs());
            computed += chunk;
        }
        session.run(TestWorker.step(session, new int[] {2}, List.of()));
        return all;
    }

    private static List<StepOutcome.Outputs> withoutKv(
            Session session, int[] prompt, OutputSettings wanted) {
        StepOutcome outcome =
                session.run(
                        TestWorker.step(
                                session,
                                NONE,
                                List.of(admission(2, prompt, wanted, true)),
                                withoutBlocks(2, prompt.length)));
        session.run(TestWorker.step(session, new int[] {2}, List.of()));
        return outcome.outputs();
    }

    private static float[] hiddenStates(List<StepOutcome.Outputs> outputs) {
        float[] all = new float[0];
        for (StepOutcome.Outputs each : outputs) {
            int filled = all.length;
            all = Arrays.copyOf(all, filled + each.hiddenStates().length);
            System.arraycopy(each.hiddenStates(), 0, all, filled, each.hiddenStates().length);
        }
        return all;
    }

    private static List<StepOutcome.Sampled> scored(List<StepOutcome.Outputs> outputs) {
        return outputs.stream().flatMap(each -> each.nextTokens().stream()).toList();
    }

    private static void assertSame(
            List<StepOutcome.Sampled> expected, List<StepOutcome.Sampled> actual) {
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i).id(), actual.get(i).id());
            assertEquals(
                    Float.floatToRawIntBits(expected.get(i).logprobs().orElseThrow().chosen()),
                    Float.floatToRawIntBits(actual.get(i).logprobs().orElseThrow().chosen()));
            assertArrayEquals(
                    expected.get(i).logprobs().orElseThrow().topIds(),
                    actual.get(i).logprobs().orElseThrow().topIds());
            assertArrayEquals(
                    expected.get(i).logprobs().orElseThrow().top(),
                    actual.get(i).logprobs().orElseThrow().top());
        }
    }

    @Test
    void aPromptTokenHasTheLogProbabilityItHadWhenItWasGenerated() {
        try (Session session = worker.open(1)) {
            List<StepOutcome.Sampled> generated =
                    TestWorker.generate(session, PROMPT, NONE, 30, TestWorker.seeded(11));
            int[] ids = Arrays.copyOf(PROMPT, PROMPT.length + generated.size());
            for (int i = 0; i < generated.size(); i++) {
                ids[PROMPT.length + i] = generated.get(i).id();
            }
            int top = generated.getFirst().logprobs().orElseThrow().topIds().length;
            var wanted =
                    new OutputSettings(
                            PROMPT.length - 1, true, top, false, OutputSettings.Pooling.NONE);
            assertSame(generated, scored(outputs(session, ids, wanted, ids.length)));
            assertSame(generated, scored(outputs(session, ids, wanted, 1, 9, 11, 19)));
            assertSame(generated, scored(withoutKv(session, ids, wanted)));
        }
    }

    @Test
    void hiddenStatesAreTheSameInChunksAndWithoutKv() {
        try (Session session = worker.open(1)) {
            var wanted = new OutputSettings(0, false, 0, true, OutputSettings.Pooling.NONE);
            List<StepOutcome.Outputs> whole = outputs(session, PROMPT, wanted, 10);
            int size = whole.getFirst().hiddenSize();
            float[] states = hiddenStates(whole);
            assertEquals(PROMPT.length * size, states.length);
            assertTrue(states[0] != states[size], "two positions have different states");
            assertArrayEquals(states, hiddenStates(outputs(session, PROMPT, wanted, 1, 7, 2)));
            assertArrayEquals(states, hiddenStates(withoutKv(session, PROMPT, wanted)));

            var late = new OutputSettings(8, false, 0, true, OutputSettings.Pooling.NONE);
            List<StepOutcome.Outputs> some = outputs(session, PROMPT, late, 3, 7);
            assertEquals(8, some.getFirst().position());
            assertArrayEquals(Arrays.copyOfRange(states, 8 * size, 10 * size), hiddenStates(some));
        }
    }

    @Test
    void aPromptIsPooledByItsMeanOrItsLastPosition() {
        try (Session session = worker.open(1)) {
            var all = new OutputSettings(0, false, 0, true, OutputSettings.Pooling.NONE);
            float[] states = hiddenStates(outputs(session, PROMPT, all, 10));
            int size = states.length / PROMPT.length;
            float[] mean = new float[size];
            for (int i = 0; i < size; i++) {
                double sum = 0;
                for (int p = 0; p < PROMPT.length; p++) {
                    sum += states[p * size + i];
                }
                mean[i] = (float) (sum / PROMPT.length);
            }
            var byMean = new OutputSettings(0, false, 0, false, OutputSettings.Pooling.MEAN);
            assertPooled(mean, outputs(session, PROMPT, byMean, 10));
            assertPooled(mean, outputs(session, PROMPT, byMean, 4, 6));
            assertPooled(mean, withoutKv(session, PROMPT, byMean));
            float[] last = Arrays.copyOfRange(states, 9 * size, 10 * size);
            var byLast = new OutputSettings(9, false, 0, false, OutputSettings.Pooling.LAST);
            assertPooled(last, outputs(session, PROMPT, byLast, 4, 6));
            assertPooled(last, withoutKv(session, PROMPT, byLast));
        }
    }

    @Test
    void aPromptIsPooledFromAPositionOn() {
        try (Session session = worker.open(1)) {
            var all = new OutputSettings(0, false, 0, true, OutputSettings.Pooling.NONE);
            float[] states = hiddenStates(outputs(session, PROMPT, all, 10));
            int size = states.length / PROMPT.length;
            for (int from : new int[] {0, 3}) {
                float[] mean = new float[size];
                float[] weighted = new float[size];
                float[] max = new float[size];
                for (int i = 0; i < size; i++) {
                    double sum = 0;
                    double weightedSum = 0;
                    double weights = 0;
                    max[i] = Float.NEGATIVE_INFINITY;
                    for (int p = from; p < PROMPT.length; p++) {
                        float value = states[p * size + i];
                        sum += value;
                        weightedSum += (p + 1.0) * value;
                        weights += p + 1;
                        max[i] = Math.max(max[i], value);
                    }
                    mean[i] = (float) (sum / (PROMPT.length - from));
                    weighted[i] = (float) (weightedSum / weights);
                }
                float[] first = Arrays.copyOfRange(states, from * size, (from + 1) * size);
                assertPooled(session, from, OutputSettings.Pooling.MEAN, mean);
                assertPooled(session, from, OutputSettings.Pooling.WEIGHTED_MEAN, weighted);
                assertPooled(session, from, OutputSettings.Pooling.MAX, max);
                assertPooled(session, from, OutputSettings.Pooling.CLS, first);
            }
        }
    }

    private static void assertPooled(
            Session session, int from, OutputSettings.Pooling pooling, float[] expected) {
        var wanted = new OutputSettings(from, false, 0, false, pooling);
        assertPooled(expected, outputs(session, PROMPT, wanted, 10));
        assertPooled(expected, outputs(session, PROMPT, wanted, 1, 7, 2));
        assertPooled(expected, withoutKv(session, PROMPT, wanted));
    }

    private static void assertPooled(float[] expected, List<StepOutcome.Outputs> outputs) {
        assertEquals(1, outputs.size());
        assertArrayEquals(expected, outputs.getFirst().pooled());
        assertEquals(0, outputs.getFirst().hiddenStates().length);
    }

    @Test
    void rowsWithAndWithoutKvRunInOneStep() {
        try (Session session = worker.open(1)) {
            var wanted = new OutputSettings(0, true, 3, true, OutputSettings.Pooling.MEAN);
            int[] other = {9, 8, 7, 300, 1};
            List<StepOutcome.Outputs> alone = withoutKv(session, PROMPT, wanted);
            List<StepOutcome.Outputs> otherAlone = withoutKv(session, other, wanted);
            List<StepOutcome.Sampled> decoded =
                    TestWorker.generate(session, PROMPT, NONE, 2, TestWorker.seeded(3));
            session.run(
                    TestWorker.step(
                            session,
                            NONE,
                            List.of(TestWorker.admission(1, PROMPT, NONE, TestWorker.seeded(3))),
                            TestWorker.row(1, 0, 10, 20)));
            StepOutcome mixed =
                    session.run(
                            TestWorker.step(
                                    session,
                                    NONE,
                                    List.of(
                                            admission(0, PROMPT, wanted, true),
                                            admission(3, other, wanted, true)),
                                    withoutBlocks(0, 10),
                                    TestWorker.row(1, 10, 1),
                                    withoutBlocks(3, 5)));
            assertSame(decoded.subList(1, 2), mixed.sampled());
            assertSame(scored(alone), scored(of(mixed, 0)));
            assertSame(scored(otherAlone), scored(of(mixed, 3)));
            assertArrayEquals(hiddenStates(alone), hiddenStates(of(mixed, 0)));
            assertArrayEquals(hiddenStates(otherAlone), hiddenStates(of(mixed, 3)));
            assertEquals(List.of(), of(mixed, 1));
        }
    }

    private static List<StepOutcome.Outputs> of(StepOutcome outcome, int slot) {
        return outcome.outputs().stream().filter(each -> each.slot() == slot).toList();
    }

    @Test
    void aRowWithoutKvMustBeItsWholeSequence() {
        try (Session session = worker.open(1)) {
            List<Step.Admission> admitted =
                    List.of(admission(0, PROMPT, OutputSettings.NONE, true));
            IllegalArgumentException refusal =
                    assertThrows(
                            IllegalArgumentException.class,
                            () ->
                                    session.run(
                                            TestWorker.step(
                                                    session, NONE, admitted, withoutBlocks(0, 9))));
            assertEquals(
                    "slot 0: row of 9 tokens at 0, a row without KV must have all 10",
                    refusal.getMessage());
        }
    }
}
