// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A model that keeps nothing computes whole prompts, and generates none.
class EncoderStepsTest {
    private static final KvGroupShape NONE = new KvGroupShape(KvGroupShape.Kind.NONE, 0, 64, 2);
    private static final int MEASURED = 32;

    private long arrivals;

    /// At most 64 tokens in a step, of which 32 were measured to take the goal.
    private static GroupShape shape() {
        return shape(1);
    }

    private static GroupShape shape(long epoch) {
        return new GroupShape(epoch, 4, 64, 0, MEASURED, 120, 4, 2, List.of(NONE));
    }

    private static Scheduler scheduler(String capacity) {
        return scheduler(capacity, 1);
    }

    private static Scheduler scheduler(String capacity, long epoch) {
        return new Scheduler(
                shape(epoch),
                new WaitingLimits(100, 10_000),
                new Policies(capacity, "equal-progress", "fcfs", Map.of(), true),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    private Sequence sequence(int prompt, int maxTokens) {
        int[] ids = new int[prompt];
        for (int i = 0; i < prompt; i++) {
            ids[i] = i % FakeWorker.VOCABULARY;
        }
        WantedOutputs wanted =
                maxTokens == 0 ? FakeWorker.wanted(0, false, false, true) : WantedOutputs.NONE;
        return new Sequence(
                arrivals++,
                "r" + arrivals,
                ids,
                Choice.of(maxTokens),
                wanted,
                SchedulingOptions.NONE,
                Optional.empty(),
                1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"maximum-utilization", "guaranteed-no-evict"})
    void everyPromptIsOneRowAndUsesNoBlocks(String capacity) {
        Scheduler scheduler = scheduler(capacity);
        var worker = new FakeWorker(shape());
        List<Integer> lengths = List.of(20, 12, 10, 64, 1, 33, 31, 2, 40, 5);
        for (int length : lengths) {
            assertEquals(
                    new Submission.Queued(), scheduler.submit(List.of(sequence(length, 0)), 0));
        }
        var counts = new ArrayList<Integer>();
        var steps = new ArrayList<Integer>();
        for (StepPlan plan = scheduler.plan(0); !plan.isEmpty(); plan = scheduler.plan(0)) {
            scheduler.checkIntegrity();
            for (StepPlan.Row row : plan.rows()) {
                assertTrue(row.sequence().withoutKv());
                assertEquals(row.sequence().promptLength(), row.count());
                counts.add(row.count());
            }
            steps.add(plan.tokenCount());
            assertTrue(plan.tokenCount() <= 64);
            assertEquals(scheduler.load().blocks(), scheduler.load().freeBlocks());
            scheduler.apply(worker.run(plan), 0);
        }
        assertEquals(lengths.stream().sorted().toList(), counts.stream().sorted().toList());
        assertEquals(MEASURED, steps.getFirst());
        assertTrue(steps.contains(64));
    }

    @ParameterizedTest
    @ValueSource(strings = {"maximum-utilization", "guaranteed-no-evict"})
    void thePromptsOfAStepThatEndedARankRunApart(String capacity) {
        Scheduler scheduler = scheduler(capacity);
        List<Sequence> both = List.of(sequence(3, 0), sequence(5, 0));
        both.forEach(each -> scheduler.submit(List.of(each), 0));
        assertEquals(2, scheduler.plan(0).rows().size());
        LostSequences lost = scheduler.lose(true, 0);
        assertEquals(both, lost.parked());
        Scheduler next = scheduler(capacity, 2);
        lost.parked().forEach(each -> next.resume(each, 0));
        StepPlan alone = next.plan(0);
        assertEquals(1, alone.rows().size());
        assertEquals(both.getFirst(), alone.rows().getFirst().sequence());
        assertFalse(next.canPlan(), "a suspect's step is the only one in flight");
        next.apply(new FakeWorker(shape(2)).run(alone), 0);
        assertEquals(both.getLast(), next.plan(0).rows().getFirst().sequence());
        assertEquals(List.of(both.getLast()), next.lose(true, 0).poisoned());
    }

    @Test
    void textAndPromptsAboveAStepAreRefused() {
        Scheduler scheduler = scheduler("maximum-utilization");
        assertEquals(
                new Submission.Unservable(
                        "max_tokens is 3, an embedding model generates none: it must be 0"),
                scheduler.submit(List.of(sequence(4, 3)), 0));
        assertEquals(
                new Submission.Unservable(
                        "prompt of 65 tokens, an embedding model computes it in one step of at most max-num-batched-tokens 64"),
                scheduler.submit(List.of(sequence(65, 0)), 0));
        assertEquals(
                new Submission.Unservable(
                        "prompt of 121 tokens and max_tokens 0 make 121, the model's context is 120"),
                scheduler.submit(List.of(sequence(121, 0)), 0));
    }

    @Test
    void aSequenceIsAsLongAsAStepAtMost() {
        assertEquals(64, shape().longestSequence());
        assertEquals(50, new GroupShape(1, 4, 64, 50, 4, 2, List.of(NONE)).longestSequence());
        KvGroupShape full = KvGroupShape.full(64);
        assertEquals(120, new GroupShape(1, 4, 64, 120, 4, 8, List.of(full)).longestSequence());
    }

    @Test
    void groupsThatKeepNothingHaveNoOthersBesideThem() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new GroupShape(1, 4, 64, 120, 4, 2, List.of(NONE, KvGroupShape.full(64))));
        assertThrows(
                IllegalArgumentException.class,
                () -> new GroupShape(1, 4, 64, 120, 4, 2, List.of(KvGroupShape.full(64), NONE)));
    }
}
