// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests the reasons that a timeline reports while a sequence waits.
class WaitingReasonTest {
    private final Timeline timeline = new Timeline(1 << 10);
    private Scheduler scheduler = scheduler("maximum-utilization", "fcfs", 8, 50);
    private long arrivals;

    private Scheduler scheduler(String capacity, String order, int slots, int blocks) {
        return new Scheduler(
                new GroupShape(1, slots, 16, 200, 4, blocks, List.of(KvGroupShape.full(64))),
                new WaitingLimits(100, 10_000),
                new Policies(capacity, "fcfs", order, Map.of(), true),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                timeline);
    }

    private Sequence submit(String tenant, boolean guaranteed, int prompt, int maxTokens) {
        int[] ids = new int[prompt];
        ids[0] = (int) arrivals;
        SchedulingOptions options = TestOptions.options(tenant, 0, guaranteed);
        var sequence =
                new Sequence(
                        arrivals,
                        "r" + arrivals++,
                        ids,
                        Choice.of(maxTokens),
                        WantedOutputs.NONE,
                        options,
                        Optional.empty(),
                        1);
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return sequence;
    }

    private Sequence submit(int prompt, int maxTokens) {
        return submit("", false, prompt, maxTokens);
    }

    private void step() {
        StepPlan plan = scheduler.plan(0);
        if (plan.isEmpty()) {
            return;
        }
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
            }
        }
        scheduler.apply(new StepResult(1, plan.number(), sampled, 0), 0);
    }

    /// Returns the reasons of all waiting events, in order.
    private String reasons(Sequence sequence) {
        var reasons = new ArrayList<String>();
        for (Timeline.Event event :
                timeline.describe(sequence.requestId(), sequence.options().tenant())
                        .getFirst()
                        .events()) {
            if (event.kind() == Timeline.Kind.WAITS) {
                reasons.add(Timeline.label(event.reason()));
            }
        }
        return String.join(" ", reasons);
    }

    @Test
    void theNextSequenceWaitsForBudgetWhenAStepIsFull() {
        submit(40, 5);
        Sequence next = submit(10, 5);
        Sequence last = submit(5, 5);
        step();
        step();
        assertEquals("budget", reasons(next), "one event, however many steps it waits");
        assertEquals("", reasons(last), "it does not go next");
        step();
        assertEquals(Sequence.State.RUNNING, next.state());
    }

    @Test
    void aSequenceWhoseBlocksAreNotFreeWaitsForMemory() {
        scheduler = scheduler("guaranteed-no-evict", "fcfs", 8, 6);
        submit(12, 8);
        step();
        Sequence next = submit(12, 4);
        step();
        assertEquals("memory", reasons(next));
    }

    @Test
    void aSequenceAfterOneThatLacksMemoryWaitsForMemoryToo() {
        scheduler = scheduler("guaranteed-no-evict", "fcfs", 8, 6);
        submit(12, 8);
        step();
        Sequence guaranteed = submit("", true, 12, 4);
        Sequence other = submit(12, 4);
        step();
        assertEquals("memory", reasons(guaranteed));
        assertEquals("memory", reasons(other));
    }

    @Test
    void aSequenceWithoutASlotWaitsForSlots() {
        scheduler = scheduler("maximum-utilization", "fcfs", 1, 50);
        submit(4, 10);
        step();
        Sequence next = submit(4, 10);
        step();
        assertEquals("slots", reasons(next));
    }

    @Test
    void aSequencePassedOverForAnotherTenantWaitsForFairness() {
        scheduler = scheduler("maximum-utilization", "fair", 1, 50);
        submit("flood", false, 4, 2);
        step();
        Sequence flooding = submit("flood", false, 4, 4);
        Sequence quiet = submit("quiet", false, 4, 4);
        for (int i = 0; i < 3; i++) {
            step();
        }
        assertEquals(Sequence.State.RUNNING, quiet.state());
        assertEquals("slots", reasons(quiet));
        assertEquals("fairness slots", reasons(flooding), "first passed over, then next to go");
    }

    @Test
    void aSequenceWhosePrefixAnotherComputesWaitsForThatOne() {
        int[] ids = new int[40];
        var first = new Sequence(arrivals++, "first", ids, Choice.of(5));
        scheduler.submit(List.of(first), 0);
        step();
        var second = new Sequence(arrivals++, "second", ids, Choice.of(5));
        scheduler.submit(List.of(second), 0);
        step();
        // The budget may be used up before it is admitted: the prefix is reported first.
        List<Timeline.Event> events = timeline.describe("second", "").getFirst().events();
        List<Timeline.Event> waits =
                events.stream().filter(one -> one.kind() == Timeline.Kind.WAITS).toList();
        assertEquals(Timeline.Reason.DEPENDENCY, waits.getFirst().reason());
        assertEquals("first", waits.getFirst().onRequest());
    }
}
