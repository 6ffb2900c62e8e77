// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A worker of an encoder: sequences are single rows that keep nothing.
class EncoderSessionTest {
    private static final int[] NONE = {};
    private static final int[] PROMPT = {5, 60, 7, 41, 12, 9, 33};
    private static final int[] OTHER = {8, 8, 70};
    private static final int HIDDEN = 32;

    private TestWorker worker;
    private Session session;

    @BeforeEach
    void open() {
        worker = opened(false, "encoders", "modernbert");
        session = worker.openWarm(1);
    }

    private void open(String... model) {
        open(false, model);
    }

    private void open(boolean graphs, String... model) {
        worker = opened(graphs, model);
        session = worker.openWarm(1);
    }

    private static TestWorker opened(boolean graphs, String... model) {
        return TestWorker.onModel(folder(model), 64, graphs);
    }

    private static Path folder(String... model) {
        Path resources = Path.of("..", "model", "src", "test", "resources");
        return resources.resolve(Path.of("", model));
    }

    @AfterEach
    void close() {
        session.close();
        worker.close();
    }

    private static Step.Admission admission(
            int slot, int[] prompt, OutputSettings outputs, boolean withoutKv) {
        return new Step.Admission(
                "r", slot, prompt, NONE, SamplingSettings.greedy(), 0, outputs, false, withoutKv);
    }

    private static OutputSettings pooled(OutputSettings.Pooling pooling) {
        return new OutputSettings(0, false, 0, true, pooling);
    }

    private List<StepOutcome.Outputs> run(List<Step.Admission> admitted) {
        List<Step.Row> rows =
                admitted.stream()
                        .map(
                                each ->
                                        new Step.Row(
                                                each.slot(),
                                                0,
                                                each.promptIds().length,
                                                List.of(),
                                                List.of()))
                        .toList();
        StepOutcome outcome =
                session.run(
                        new Step(
                                session.epoch(),
                                session.lastNumber() + 1,
                                NONE,
                                admitted,
                                List.of(),
                                rows));
        assertTrue(outcome.sampled().isEmpty());
        session.run(
                TestWorker.step(
                        session,
                        admitted.stream().mapToInt(Step.Admission::slot).toArray(),
                        List.of()));
        return outcome.outputs();
    }

    @Test
    void vectorsAreThoseOfTheTokensTheyArePooledFrom() {
        List<StepOutcome.Outputs> outputs =
                run(
                        List.of(
                                admission(0, PROMPT, pooled(OutputSettings.Pooling.CLS), true),
                                admission(1, OTHER, pooled(OutputSettings.Pooling.LAST), true),
                                admission(2, PROMPT, pooled(OutputSettings.Pooling.MEAN), true)));
        assertEquals(3, outputs.size());
        float[] states = outputs.get(0).hiddenStates();
        assertEquals(PROMPT.length * HIDDEN, states.length);
        assertArrayEquals(Arrays.copyOf(states, HIDDEN), outputs.get(0).pooled());
        float[] others = outputs.get(1).hiddenStates();
        assertArrayEquals(
                Arrays.copyOfRange(others, 2 * HIDDEN, 3 * HIDDEN), outputs.get(1).pooled());
        assertArrayEquals(states, outputs.get(2).hiddenStates());
        float[] mean = new float[HIDDEN];
        for (int i = 0; i < HIDDEN; i++) {
            double sum = 0;
            for (int token = 0; token < PROMPT.length; token++) {
                sum += states[token * HIDDEN + i];
            }
            mean[i] = (float) (sum / PROMPT.length);
        }
        assertArrayEquals(mean, outputs.get(2).pooled());
    }

    @Test
    void aLaterTokenChangesTheFirst() {
        int[] changed = PROMPT.clone();
        changed[PROMPT.length - 1]++;
        float[] before =
                run(List.of(admission(0, PROMPT, pooled(OutputSettings.Pooling.CLS), true)))
                        .getFirst()
                        .pooled();
        float[] after =
                run(List.of(admission(0, changed, pooled(OutputSettings.Pooling.CLS), true)))
                        .getFirst()
                        .pooled();
        assertTrue(!Arrays.equals(before, after));
    }

    /// Runs a step of one refused sequence beside one that is served, then the row that a scheduler
    /// may have planned before it knows of the refusal.
    private void assertRefusedAlone(Step.Admission refused, boolean answered, String reason) {
        Step.Admission served = admission(0, OTHER, pooled(OutputSettings.Pooling.CLS), true);
        float[] expected = run(List.of(served)).getFirst().pooled();
        int slot = refused.slot();
        StepOutcome outcome =
                session.run(
                        new Step(
                                session.epoch(),
                                session.lastNumber() + 1,
                                NONE,
                                List.of(refused, served),
                                List.of(),
                                List.of(row(slot, 0, PROMPT.length), row(0, 0, OTHER.length))));
        assertEquals(List.of(new StepOutcome.Refused(slot, reason)), outcome.refused());
        assertArrayEquals(expected, outcome.outputs().getLast().pooled());
        assertAnswered(answered, slot, outcome);
        StepOutcome next =
                session.run(
                        TestWorker.step(
                                session, new int[] {0}, List.of(), row(slot, PROMPT.length, 1)));
        assertAnswered(answered, slot, next);
        session.run(TestWorker.step(session, new int[] {slot}, List.of()));
        assertArrayEquals(expected, run(List.of(served)).getFirst().pooled());
    }

    private static Step.Row row(int slot, int computed, int count) {
        return new Step.Row(slot, computed, count, List.of(), List.of());
    }

    private static void assertAnswered(boolean answered, int slot, StepOutcome outcome) {
        assertEquals(
                answered ? List.of(slot) : List.of(),
                outcome.sampled().stream().map(StepOutcome.Sampled::slot).toList());
    }

    @Test
    void aSequenceThatWouldKeepKeysAndValuesIsRefused() {
        assertRefusedAlone(
                admission(3, PROMPT, pooled(OutputSettings.Pooling.LAST), false),
                false,
                "an encoder computes a sequence in one step, without KV");
        assertRefusedAlone(
                generating(3, false),
                true,
                "an encoder computes a sequence in one step, without KV");
    }

    private static Step.Admission generating(int slot, boolean withoutKv) {
        return new Step.Admission(
                "r",
                slot,
                PROMPT,
                NONE,
                SamplingSettings.greedy(),
                0,
                OutputSettings.NONE,
                true,
                withoutKv);
    }

    private static OutputSettings second(int position) {
        return new OutputSettings(0, false, 0, true, OutputSettings.Pooling.CLS, position);
    }

    @Test
    void tokensOfASecondTextHaveTheSecondType() {
        close();
        open("cross-encoders", "bert");
        float[] plain = run(List.of(admission(0, PROMPT, second(0), true))).getFirst().pooled();
        float[] typed = run(List.of(admission(0, PROMPT, second(3), true))).getFirst().pooled();
        assertTrue(!Arrays.equals(plain, typed));
        List<StepOutcome.Outputs> mixed =
                run(
                        List.of(
                                admission(0, OTHER, second(1), true),
                                admission(1, PROMPT, second(0), true),
                                admission(2, PROMPT, second(3), true),
                                admission(3, PROMPT, second(PROMPT.length), true)));
        assertArrayEquals(plain, mixed.get(1).pooled());
        assertArrayEquals(typed, mixed.get(2).pooled());
        assertArrayEquals(plain, mixed.get(3).pooled());
    }

    @Test
    void aSecondTextIsRefusedByAModelWithoutTokenTypes() {
        StepOutcome outcome = admitted(admission(0, PROMPT, second(3), true));
        assertEquals(
                List.of(
                        new StepOutcome.Refused(
                                0, "second_text is 3, and the model has no token types")),
                outcome.refused());
    }

    @Test
    void aSequenceThatAsksForLogitsIsRefused() {
        assertRefusedAlone(
                generating(3, true), true, "the model has no output head and computes no logits");
    }

    /// Blocks of a decoder may have names, so what a refused sequence knows is computed.
    @Test
    void aDecoderWithoutAHeadComputesThePromptAndAnswersWithoutTokens() {
        close();
        open("../../../../integration-tests/src/test/resources/sentences/e5-mistral");
        StepOutcome outcome =
                session.run(
                        TestWorker.step(
                                session,
                                NONE,
                                List.of(generating(2, false)),
                                new Step.Row(
                                        2, 0, PROMPT.length, List.of(new int[] {1}), List.of())));
        assertEquals(
                List.of(
                        new StepOutcome.Refused(
                                2, "the model has no output head and computes no logits")),
                outcome.refused());
        assertAnswered(true, 2, outcome);
        StepOutcome next =
                session.run(
                        TestWorker.step(
                                session,
                                NONE,
                                List.of(),
                                new Step.Row(2, PROMPT.length, 1, List.of(NONE), List.of())));
        assertAnswered(true, 2, next);
        assertEquals(
                1,
                run(List.of(admission(0, PROMPT, pooled(OutputSettings.Pooling.LAST), true)))
                        .size());
    }

    @Test
    void logprobsOfAPromptAreRefused() {
        var logprobs = new OutputSettings(0, true, 0, false, OutputSettings.Pooling.NONE);
        assertEquals(
                List.of(
                        new StepOutcome.Refused(
                                0, "the model has no output head and computes no logits")),
                admitted(admission(0, PROMPT, logprobs, true)).refused());
    }

    private StepOutcome admitted(Step.Admission admission) {
        return session.run(
                new Step(
                        session.epoch(),
                        session.lastNumber() + 1,
                        NONE,
                        List.of(admission),
                        List.of(),
                        List.of(new Step.Row(0, 0, PROMPT.length, List.of(), List.of()))));
    }

    @Test
    void aRankThatRecordsDecodeStepsRecordsNoneOfAnEncoder() {
        close();
        open(true, "encoders", "bert");
        assertEquals(
                1,
                run(List.of(admission(0, PROMPT, pooled(OutputSettings.Pooling.CLS), true)))
                        .size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"modernbert", "bert"})
    @Tag("processes")
    void aGpuGivesTheVectorsOfACpu(String name) {
        close();
        open("encoders", name);
        List<Step.Admission> texts =
                List.of(
                        admission(0, PROMPT, pooled(OutputSettings.Pooling.MEAN), true),
                        admission(1, OTHER, pooled(OutputSettings.Pooling.CLS), true));
        List<StepOutcome.Outputs> expected = run(texts);
        close();
        worker = TestWorker.onGpu(folder("encoders", name), 64, DType.F32, true);
        session = worker.openWarm(1);
        List<StepOutcome.Outputs> found = run(texts);
        for (int i = 0; i < texts.size(); i++) {
            // Keys and values are bf16 there, f16 here.
            assertArrayEquals(expected.get(i).pooled(), found.get(i).pooled(), 0.01f);
            assertArrayEquals(expected.get(i).hiddenStates(), found.get(i).hiddenStates(), 0.01f);
        }
    }

    @Test
    @Tag("processes")
    void aGpuHasNoBlocksForWhatAnEncoderDoesNotKeep() {
        List<String> settings =
                List.of(
                        "--max-num-seqs=4",
                        "--max-num-batched-tokens=64",
                        "--gpu-memory-utilization=0.4");
        try (LoadedRank loaded =
                EmulatedRank.load(folder("encoders", "modernbert"), 0, 1, settings)) {
            assertEquals(4, loaded.rank().kvBlocks());
        }
    }

    @Test
    void canaryStepsRepeat() {
        assertEquals(session.canary(), session.canary());
    }

    @Test
    void aCanaryStepIsComputedInTheSlotOfARefusedSequence() {
        close();
        open("../../../../integration-tests/src/test/resources/sentences/e5-mistral");
        CanaryOutcome known = session.canary();
        int slot = TestWorker.MAX_SEQUENCES - 1;
        session.run(
                TestWorker.step(
                        session,
                        NONE,
                        List.of(generating(slot, false)),
                        new Step.Row(slot, 0, PROMPT.length, List.of(new int[] {1}), List.of())));
        assertEquals(known, session.canary());
    }

    @Test
    void warmUpMeasuresAStep() {
        StepBudget budget = new WarmUp(worker.rank.kernels(), session, TestWorker.BLOCKS).measure();
        assertTrue(budget.tokens() > 0);
        assertEquals(0, budget.doublingPosition());
    }

    @Test
    void nothingIsAnnouncedAsKept() {
        List<KvGroupInfo> groups =
                worker.joinReply.joined(1, new HeldBlocks(worker.rank.kv())).getKvGroupsList();
        assertEquals(List.of("none", "none"), groups.stream().map(KvGroupInfo::getKind).toList());
    }
}
