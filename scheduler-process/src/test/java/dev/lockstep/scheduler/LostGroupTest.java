// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// What becomes of the sequences of a lost group in the next one.
class LostGroupTest {
    private static final WaitingLimits LIMITS = new WaitingLimits(100, 1000);
    private long epoch = 1;
    private Scheduler scheduler = scheduler(16);
    private long arrivals;

    private Scheduler scheduler(int maxSequences) {
        return scheduler(maxSequences, LIMITS);
    }

    private Scheduler scheduler(int maxSequences, WaitingLimits limits) {
        return new Scheduler(
                new GroupShape(
                        epoch++, maxSequences, 64, 100, 4, 100, List.of(KvGroupShape.full(64))),
                limits,
                Policies.DEFAULT,
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    private Sequence submit(int prompt, int maxTokens) {
        var sequence =
                new Sequence(arrivals, "r" + arrivals++, new int[prompt], Choice.of(maxTokens));
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return sequence;
    }

    private StepPlan plan() {
        StepPlan plan = scheduler.plan(0);
        scheduler.checkIntegrity();
        return plan;
    }

    private void answer(StepPlan plan, int token) {
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(token)));
            }
        }
        scheduler.apply(new StepResult(plan.epoch(), plan.number(), sampled, 0), 0);
        scheduler.checkIntegrity();
    }

    private static String rows(StepPlan plan) {
        return plan.rows().stream()
                .map(
                        row ->
                                "r%d[%d,%d)"
                                        .formatted(
                                                row.sequence().arrival(),
                                                row.computed(),
                                                row.computed() + row.count()))
                .collect(Collectors.joining(" "));
    }

    @Test
    void theSequencesOfALostGroupGoOnInTheNextFromWhatTheyHave() {
        scheduler = scheduler(1);
        Sequence started = submit(4, 10);
        answer(plan(), 7);
        plan();
        Sequence waiting = submit(4, 10);
        LostSequences lost = scheduler.lose(true, 0);
        assertEquals(List.of(started, waiting), lost.parked());
        assertEquals(1, started.migrations());
        assertEquals(0, waiting.migrations());
        scheduler = scheduler(1);
        lost.parked().forEach(each -> scheduler.resume(each, 0));
        StepPlan first = plan();
        assertEquals("r0[0,5)", rows(first));
        assertArrayEquals(new int[] {7}, first.admitted().getFirst().outputIds());
        assertEquals(5, scheduler.load().totals().recomputedTokens(), "the last one was in flight");
    }

    @Test
    void aLostGroupPausesAcceptedSequencesWhateverTheLimitsOfTheQueue() {
        scheduler = scheduler(4);
        submit(4, 10);
        submit(4, 10);
        plan();
        List<Sequence> parked = scheduler.lose(false, 0).parked();
        scheduler = scheduler(4, new WaitingLimits(1, 4));
        parked.forEach(
                each -> assertInstanceOf(Submission.Queued.class, scheduler.resume(each, 0)));
        assertEquals(2, plan().rows().size());
    }

    @Test
    void theSequencesOfAStepThatEndedARankRunAloneUntilTheyArePastIt() {
        Sequence first = submit(3, 10);
        Sequence second = submit(3, 10);
        StepPlan both = plan();
        assertEquals(2, both.rows().size());
        LostSequences lost = scheduler.lose(true, 0);
        scheduler = scheduler(4);
        lost.parked().forEach(each -> scheduler.resume(each, 0));
        StepPlan alone = plan();
        assertEquals("r0[0,3)", rows(alone));
        assertFalse(scheduler.canPlan(), "a suspect's step is the only one in flight");
        assertEquals(1, alone.admitted().size(), "a suspect's step admits nobody else");
        answer(alone, 5);
        StepPlan next = plan();
        assertEquals("r1[0,3)", rows(next));
        assertEquals(List.of(second), scheduler.lose(true, 0).poisoned());
        assertTrue(first.live());
        assertFalse(second.live());
    }

    @Test
    void aGroupThatIsGivenUpMakesNobodySuspect() {
        submit(3, 10);
        submit(3, 10);
        plan();
        List<Sequence> parked = scheduler.lose(false, 0).parked();
        scheduler = scheduler(4);
        parked.forEach(each -> scheduler.resume(each, 0));
        assertEquals(2, plan().rows().size());
    }

    @Test
    void aLargeStepIsHalvedToEightBeforeEachRunsAlone() {
        for (int i = 0; i < 12; i++) {
            submit(1 + i % 2, 10);
        }
        assertEquals(12, plan().rows().size());
        List<Sequence> parked = scheduler.lose(true, 0).parked();
        scheduler = scheduler(16);
        parked.forEach(each -> scheduler.resume(each, 0));
        assertEquals(Probation.TOGETHER, plan().rows().size());
        LostSequences again = scheduler.lose(true, 0);
        assertEquals(List.of(), again.poisoned());
        scheduler = scheduler(16);
        again.parked().forEach(each -> scheduler.resume(each, 0));
        assertEquals(1, plan().rows().size());
        assertEquals(List.of(parked.getFirst()), scheduler.lose(true, 0).poisoned());
    }
}
