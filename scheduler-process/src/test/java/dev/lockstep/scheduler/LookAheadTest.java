// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LookAheadTest {
    private static final long MILLI = 1_000_000;

    private final Scheduler scheduler =
            new Scheduler(
                    new GroupShape(1, 8, 100, 5000, 4, 5000, List.of(KvGroupShape.full(64))),
                    new WaitingLimits(100, 100_000),
                    Policies.DEFAULT,
                    new BlockHasher(FakeWorker.KEY),
                    CacheEvents.NONE,
                    new Timeline(64));
    private long now;
    private long arrivals;

    private void submit(int prompt) {
        int[] ids = new int[prompt];
        ids[0] = (int) arrivals;
        scheduler.submit(List.of(new Sequence(arrivals++, "r", ids, Choice.of(9))), now);
    }

    private void answer(StepPlan plan, long millis) {
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(5)));
            }
        }
        now += millis * MILLI;
        scheduler.apply(new StepResult(1, plan.number(), sampled, millis * 1000), now);
    }

    /// Runs twenty steps of 100 tokens that take 200 ms each.
    private void measureSteps() {
        submit(4000);
        for (int i = 0; i < 20; i++) {
            answer(scheduler.plan(now), 200);
        }
    }

    @Test
    void theNextStepIsPlannedShortlyBeforeTheRunningOneEnds() {
        measureSteps();
        assertTrue(scheduler.canPlan(now), "nothing runs");
        StepPlan running = scheduler.plan(now);
        assertFalse(scheduler.canPlan(now));
        assertEquals(now + 175 * MILLI, scheduler.planAt());
        assertFalse(scheduler.canPlan(now + 174 * MILLI));
        submit(30);
        assertTrue(scheduler.canPlan(now + 175 * MILLI));
        // Two steps are in flight, so no third one is planned.
        var _ = scheduler.plan(now + 175 * MILLI);
        assertFalse(scheduler.canPlan(now + 1000 * MILLI));
        answer(running, 200);
        assertEquals(now + 175 * MILLI, scheduler.planAt(), "from the end of the preceding step");
    }

    @Test
    void aShortStepIsFollowedAtOnce() {
        measureSteps();
        for (int i = 0; i < 20; i++) {
            answer(scheduler.plan(now), 200);
        }
        StepPlan running = scheduler.plan(now);
        assertEquals(1, running.tokenCount(), "it decodes");
        assertTrue(scheduler.canPlan(now));
    }

    @Test
    void untilStepsWereMeasuredTheNextIsPlannedAtOnce() {
        submit(1000);
        var _ = scheduler.plan(now);
        assertTrue(scheduler.canPlan(now));
    }

    @Test
    void theFastestRecentStepCounts() {
        measureSteps();
        answer(scheduler.plan(now), 100);
        var _ = scheduler.plan(now);
        assertEquals(now + 175 * MILLI / 2, scheduler.planAt());
    }
}
