// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Which requests are refused because the prompts before them take too long: 1,000 tokens take 250
/// ms, so that 8,000 take 2 s.
class QueueDelayTest {
    private static final int LONG = 8000;
    private static final long SECOND = 1_000_000_000;
    private Scheduler scheduler = scheduler("fcfs", 10 * SECOND, 1000);
    private long arrivals;

    private static Scheduler scheduler(String order, long delayNanos, int measuredTokens) {
        return new Scheduler(
                new GroupShape(
                        1,
                        64,
                        1000,
                        0,
                        measuredTokens,
                        9000,
                        16,
                        20_000,
                        List.of(KvGroupShape.full(64))),
                new WaitingLimits(1000, 1 << 20, delayNanos),
                new Policies("maximum-utilization", "fcfs", order, Map.of("gold", 3.0), true),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    private Sequence sequence(int prompt, String tenant, int priority, boolean guaranteed) {
        int[] ids = new int[prompt];
        ids[0] = (int) arrivals;
        SchedulingOptions options = TestOptions.options(tenant, priority, guaranteed);
        return new Sequence(
                arrivals,
                "r" + arrivals++,
                ids,
                Choice.of(1),
                WantedOutputs.NONE,
                options,
                Optional.empty(),
                1);
    }

    private Submission submit(int prompt, String tenant, int priority) {
        return scheduler.submit(List.of(sequence(prompt, tenant, priority, false)), 0);
    }

    private Submission submit(int prompt) {
        return submit(prompt, "", 0);
    }

    /// Submits long prompts until one is refused, and returns how many were accepted.
    private int fill(String tenant) {
        for (int accepted = 0; accepted < 100; accepted++) {
            if (submit(LONG, tenant, 0) instanceof Submission.TooLate) {
                return accepted;
            }
        }
        return 100;
    }

    private void run(Sequence sequence) {
        while (!sequence.started() || sequence.prefilling()) {
            StepPlan plan = scheduler.plan(0);
            List<StepResult.Sampled> sampled =
                    plan.rows().stream()
                            .filter(StepPlan.Row::samples)
                            .map(row -> new StepResult.Sampled(row.slot(), SampledToken.of(7)))
                            .toList();
            scheduler.apply(new StepResult(1, plan.number(), sampled, 0), 0);
            if (!sequence.live()) {
                return;
            }
        }
    }

    @Test
    void aBurstIsRefusedFromTheLimitOnThoughNoStepHasRunYet() {
        assertEquals(6, fill(""), "the last of them waits for 10 s");
        var refused = (Submission.TooLate) submit(LONG);
        assertEquals(
                "the prompts before it take about 12000 ms, the limit is 10000 ms",
                refused.message());
        assertEquals(2 * SECOND, refused.waitNanos(), "after it another one fits");
        assertEquals(2, scheduler.load().totals().refused());
        assertEquals(2, scheduler.load().totals().refusedByEstimate());
    }

    @Test
    void whatWasComputedOfARunningPromptIsNotCounted() {
        Sequence first = sequence(LONG, "", 0, false);
        scheduler.submit(List.of(first), 0);
        fill("");
        StepPlan plan = scheduler.plan(0);
        assertInstanceOf(Submission.TooLate.class, submit(LONG));
        for (int i = 0; i < 7; i++) {
            scheduler.apply(new StepResult(1, plan.number(), List.of(), 0), 0);
            plan = scheduler.plan(0);
        }
        assertInstanceOf(Submission.Queued.class, submit(LONG));
    }

    /// Three steps of 1,000 tokens, the last of which the machine slept through.
    @Test
    void aPauseOfTheMachineRefusesNothing() {
        scheduler.submit(List.of(sequence(LONG, "", 0, false)), 0);
        long now = 0;
        for (long nanos : new long[] {SECOND / 4, SECOND / 4, 20 * SECOND}) {
            StepPlan plan = scheduler.plan(now);
            now += nanos;
            scheduler.apply(new StepResult(1, plan.number(), List.of(), 0), now);
        }
        for (int i = 0; i < 5; i++) {
            assertInstanceOf(
                    Submission.Queued.class,
                    scheduler.submit(List.of(sequence(LONG, "", 0, false)), now),
                    "number " + i);
        }
        assertInstanceOf(
                Submission.TooLate.class,
                scheduler.submit(List.of(sequence(LONG, "", 0, false)), now));
    }

    /// Each step takes 250 ms; the results of two reach the scheduler within a microsecond.
    @Test
    void resultsThatArriveTogetherDoNotSayThatPromptsTakeNoTime() {
        scheduler.submit(List.of(sequence(LONG, "", 0, false)), 0);
        StepPlan first = scheduler.plan(0);
        StepPlan second = scheduler.plan(0);
        long micros = StepTime.GOAL_MICROS;
        scheduler.apply(new StepResult(1, first.number(), List.of(), micros), SECOND / 2 - 1000);
        scheduler.apply(new StepResult(1, second.number(), List.of(), micros), SECOND / 2);
        int accepted = 0;
        while (accepted < 100
                && scheduler.submit(List.of(sequence(LONG, "", 0, false)), SECOND / 2)
                        instanceof Submission.Queued) {
            accepted++;
        }
        assertEquals(5, accepted, "with the rest of the first 9.5 s wait before the last");
    }

    @Test
    void aShortPromptPassesAndIsAccepted() {
        fill("");
        assertInstanceOf(Submission.Queued.class, submit(100));
    }

    @Test
    void aLongPromptWhosePrefixIsCachedIsAShortOne() {
        Sequence first = sequence(LONG, "", 0, false);
        scheduler.submit(List.of(first), 0);
        run(first);
        fill("");
        var again = new Sequence(arrivals++, "again", first.prompt(), Choice.of(1));
        assertInstanceOf(Submission.Queued.class, scheduler.submit(List.of(again), 0));
    }

    @Test
    void withoutALimitNothingIsRefused() {
        scheduler = scheduler("fcfs", WaitingLimits.NO_DELAY_LIMIT, 1000);
        assertEquals(100, fill(""));
    }

    @Test
    void nothingIsRefusedWhileNothingIsKnown() {
        scheduler = scheduler("fcfs", 10 * SECOND, 0);
        assertEquals(100, fill(""));
    }

    @Test
    void anAcceptedRequestIsNeverRefused() {
        fill("");
        Sequence moved = sequence(LONG, "", 0, false);
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(moved), true, 0));
        assertEquals(new Submission.Queued(), scheduler.resume(sequence(LONG, "", 0, false), 0));
    }

    @Test
    void thoseOfLowerPriorityAreNotBeforeIt() {
        scheduler = scheduler("priority", 10 * SECOND, 1000);
        assertEquals(6, fill(""));
        assertInstanceOf(Submission.Queued.class, submit(LONG, "", 1));
        assertInstanceOf(Submission.TooLate.class, submit(LONG, "", -1));
    }

    @Test
    void aTenantWaitsForItsShareOnly() {
        scheduler = scheduler("fair", 10 * SECOND, 1000);
        int flood = fill("flood");
        assertEquals(6, flood);
        int quiet = fill("quiet");
        assertTrue(quiet >= 3, quiet + " beside " + flood);
        assertTrue(fill("gold") > quiet, "a tenant of weight 3");
    }

    @Test
    void bestEffortRequestsAreNotBeforeAGuaranteedOne() {
        fill("");
        assertInstanceOf(
                Submission.Queued.class, scheduler.submit(List.of(sequence(LONG, "", 0, true)), 0));
    }

    @Test
    void theOtherChoicesOfARequestShareItsPrompt() {
        for (int i = 0; i < 3; i++) {
            Sequence first = sequence(LONG, "", 0, false);
            var second =
                    new Sequence(
                            arrivals++,
                            first.requestId(),
                            first.prompt(),
                            Choice.of(1).withIndex(1),
                            WantedOutputs.NONE,
                            first.options(),
                            Optional.of(first),
                            1);
            scheduler.submit(List.of(first, second), 0);
        }
        // The second choices have a token each, so the third of these waits for more than 10 s.
        assertEquals(2, fill(""));
    }
}
