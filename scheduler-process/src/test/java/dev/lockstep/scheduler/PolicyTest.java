// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static dev.lockstep.scheduler.TestOptions.options;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.process.SettingsException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests which sequence goes next, which one is preempted, and how a step is divided.
class PolicyTest {
    private static final int BLOCK_SIZE = 4;
    private Scheduler scheduler = scheduler("maximum-utilization", "fcfs", "fcfs", 8, 16, 50);
    private long arrivals;

    private static Scheduler scheduler(
            String capacity, String microBatch, String order, int slots, int budget, int blocks) {
        return new Scheduler(
                new GroupShape(
                        1, slots, budget, 200, BLOCK_SIZE, blocks, List.of(KvGroupShape.full(64))),
                new WaitingLimits(200, 10_000),
                new Policies(capacity, microBatch, order, Map.of("gold", 2.0), false),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    private Sequence submit(int prompt, int maxTokens, SchedulingOptions options) {
        var sequence =
                new Sequence(
                        arrivals,
                        "r" + arrivals++,
                        new int[prompt],
                        Choice.of(maxTokens),
                        WantedOutputs.NONE,
                        options,
                        Optional.empty(),
                        1);
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return sequence;
    }

    private String step() {
        StepPlan plan = scheduler.plan(0);
        var rows = new ArrayList<String>();
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            rows.add(row.sequence().arrival() + ":" + row.count());
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
            }
        }
        if (!plan.isEmpty()) {
            scheduler.apply(new StepResult(plan.epoch(), plan.number(), sampled, 0), 0);
        }
        scheduler.checkIntegrity();
        return String.join(" ", rows);
    }

    @Test
    void equalProgressGivesEachPrefillTheSame() {
        scheduler = scheduler("maximum-utilization", "equal-progress", "fcfs", 8, 64, 100);
        submit(100, 2, SchedulingOptions.NONE);
        submit(20, 2, SchedulingOptions.NONE);
        submit(100, 2, SchedulingOptions.NONE);
        assertEquals("0:22 1:20 2:22", step());
    }

    @Test
    void aTenantWithFewRunningDoesNotWaitForThePrefillsOfAnother() {
        scheduler = scheduler("maximum-utilization", "fcfs", "fair", 8, 16, 200);
        for (int i = 0; i < 4; i++) {
            submit(2, 50, options("loud", 0, false));
        }
        assertEquals("0:2 1:2 2:2 3:2", step());
        submit(40, 2, options("loud", 0, false));
        assertEquals("0:1 1:1 2:1 3:1 4:12", step());
        submit(6, 9, options("quiet", 0, false));
        assertEquals("0:1 1:1 2:1 3:1 5:6", step());
        submit(6, 9, options("quiet", 0, false));
        // Every second step is for all, and short: 5 of 16 tokens decode, and half of 11 prefill.
        assertTrue(step().contains(" 4:5"), "half of what decodes leave");
    }

    @Test
    void shortStepsAreNoLongerThanOthers() {
        scheduler = scheduler("maximum-utilization", "fcfs", "fair", 12, 4, 400);
        for (int i = 0; i < 8; i++) {
            submit(1, 60, options("loud", 0, false));
        }
        submit(1, 60, options("quiet", 0, false));
        for (int i = 0; i < 20; i++) {
            if (i % 4 == 0) {
                submit(6, 3, options("quiet" + i, 0, false));
            }
            StepPlan plan = scheduler.plan(0);
            assertTrue(plan.tokenCount() <= 4, plan.tokenCount() + " tokens");
            var sampled = new ArrayList<StepResult.Sampled>();
            for (StepPlan.Row row : plan.rows()) {
                if (row.samples()) {
                    sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
                }
            }
            scheduler.apply(new StepResult(plan.epoch(), plan.number(), sampled, 0), 0);
        }
    }

    @Test
    void aHigherPriorityGoesFirstAndTakesTheSlotOfALower() {
        scheduler = scheduler("maximum-utilization", "fcfs", "priority", 1, 16, 50);
        Sequence low = submit(4, 50, options("", 0, false));
        assertEquals("0:4", step());
        submit(4, 1, options("", 1, false));
        submit(4, 1, options("", 2, false));
        assertEquals("2:4", step());
        assertEquals(Sequence.State.WAITING, low.state());
        assertEquals("1:4", step());
        assertTrue(step().startsWith("0:"));
    }

    @Test
    void aGuaranteedRequestTakesTheMemoryOfOthersAndKeepsItsOwn() {
        scheduler = scheduler("maximum-utilization", "fcfs", "fcfs", 8, 64, 11);
        List<Sequence> others =
                List.of(
                        submit(12, 20, SchedulingOptions.NONE),
                        submit(12, 20, SchedulingOptions.NONE));
        step();
        Sequence guaranteed = submit(12, 20, options("", 0, true));
        Sequence second = submit(12, 20, options("", 0, true));
        while (guaranteed.live()) {
            step();
            assertEquals(Sequence.State.WAITING, second.state(), "both together would not fit");
            assertTrue(!guaranteed.started() || guaranteed.slot() >= 0 || !guaranteed.live());
        }
        while (second.live() || others.stream().anyMatch(Sequence::live)) {
            step();
        }
    }

    @Test
    void withoutEvictionOnlySequencesThatCanFinishStart() {
        scheduler = scheduler("guaranteed-no-evict", "fcfs", "fcfs", 8, 64, 11);
        Sequence first = submit(12, 12, SchedulingOptions.NONE);
        Sequence second = submit(4, 16, SchedulingOptions.NONE);
        step();
        assertEquals(Sequence.State.RUNNING, first.state());
        assertEquals(Sequence.State.WAITING, second.state(), "6 + 5 blocks of 10");
        while (second.live()) {
            step();
        }
        assertEquals(0, scheduler.load().totals().preemptions());
    }

    @Test
    void fairOrderServesTenantsByWeightHoweverManyTheySend() {
        scheduler = scheduler("maximum-utilization", "fcfs", "fair", 2, 32, 200);
        for (int i = 0; i < 90; i++) {
            submit(16, 8, options("flood", 0, false));
        }
        for (int i = 0; i < 90; i++) {
            submit(16, 8, options("gold", 0, false));
        }
        var finished = new HashMap<String, Integer>();
        for (int i = 0; i < 320; i++) {
            StepPlan plan = scheduler.plan(0);
            var sampled = new ArrayList<StepResult.Sampled>();
            for (StepPlan.Row row : plan.rows()) {
                if (row.samples()) {
                    sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
                }
            }
            for (SequenceEvent event :
                    scheduler.apply(new StepResult(1, plan.number(), sampled, 0), 0)) {
                if (event instanceof SequenceEvent.LengthReached(var sequence)) {
                    finished.merge(sequence.tenant(), 1, Integer::sum);
                }
            }
        }
        int gold = finished.getOrDefault("gold", 0);
        int flood = finished.getOrDefault("flood", 0);
        assertTrue(gold > 1.5 * flood && gold < 2.5 * flood, gold + " of gold, " + flood);
    }

    @Test
    void aTenantWithFewRunningGetsTheSlotOfOneWithMany() {
        scheduler = scheduler("maximum-utilization", "fcfs", "fair", 4, 32, 200);
        for (int i = 0; i < 8; i++) {
            submit(4, 100, options("flood", 0, false));
        }
        step();
        step();
        Sequence late = submit(4, 10, options("quiet", 0, false));
        step();
        step();
        assertEquals(Sequence.State.RUNNING, late.state());
    }

    @Test
    void aDeadlineThatCannotBeMetIsRefusedAndOneThatPassedEndsTheRequest() {
        scheduler = scheduler("maximum-utilization", "fcfs", "fcfs", 1, 16, 50);
        submit(4, 100, SchedulingOptions.NONE);
        var soon =
                new SchedulingOptions(
                        "", 0, false, 1_000_000_000L, SchedulingOptions.Domain.COMMON, 35, 0);
        Sequence waiting = submit(4, 10, soon);
        step();
        assertEquals(List.of(), scheduler.expire(999_999_999));
        assertEquals(List.of(new SequenceEvent.Expired(waiting)), scheduler.expire(1_000_000_000));
        assertEquals(Sequence.State.EXPIRED, waiting.state());
        var over =
                new Sequence(
                        99,
                        "late",
                        new int[4],
                        Choice.of(1),
                        WantedOutputs.NONE,
                        soon,
                        Optional.empty(),
                        1);
        Submission refused = scheduler.submit(List.of(over), 1_000_000_001);
        assertTrue(refused instanceof Submission.TooLate, () -> "" + refused);
    }

    private Submission offer(int prompt, long deadline, long now) {
        var options =
                new SchedulingOptions(
                        "", 0, false, deadline, SchedulingOptions.Domain.COMMON, 35, 0);
        var sequence =
                new Sequence(
                        arrivals,
                        "r" + arrivals++,
                        new int[prompt],
                        Choice.of(1),
                        WantedOutputs.NONE,
                        options,
                        Optional.empty(),
                        1);
        return scheduler.submit(List.of(sequence), now);
    }

    private void stepTaking(long begin, long end) {
        StepPlan plan = scheduler.plan(begin);
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
            }
        }
        scheduler.apply(new StepResult(1, plan.number(), sampled, 0), end);
    }

    @Test
    void theDeadlineCheckIncludesTheTimeOfThePromptItself() {
        long ms = 1_000_000;
        scheduler = scheduler("maximum-utilization", "fcfs", "fcfs", 4, 16, 50);
        assertEquals(
                new Submission.Queued(),
                offer(160, 2, 1),
                "while nothing is measured every request is accepted");
        scheduler.expire(2);
        submit(16, 1, SchedulingOptions.NONE);
        stepTaking(2, 100 * ms);
        // 16 tokens took 100 ms: 160 take a second.
        var late = (Submission.TooLate) offer(160, 1000 * ms, 200 * ms);
        assertEquals(
                "deadline_ms expires in 800 ms, the queue takes about 0 ms and the prompt 999 ms",
                late.message());
        assertEquals(new Submission.Queued(), offer(16, 1000 * ms, 200 * ms));
        assertEquals(new Submission.Queued(), offer(160, 1310 * ms, 200 * ms));
        late = (Submission.TooLate) offer(16, 1000 * ms, 200 * ms);
        assertEquals(
                "deadline_ms expires in 800 ms, the queue takes about 1099 ms and the prompt 99 ms",
                late.message());
        long muchLater = 100_000 * ms;
        scheduler.expire(muchLater);
        assertEquals(
                new Submission.Queued(),
                offer(160, muchLater + 800 * ms, muchLater),
                "an old measurement refuses no request");
    }

    @Test
    void aUserDefinedPolicyIsFoundByItsName() {
        scheduler = scheduler("maximum-utilization", "fcfs", "shortest-prompt", 1, 64, 50);
        submit(20, 1, SchedulingOptions.NONE);
        submit(8, 1, SchedulingOptions.NONE);
        submit(12, 1, SchedulingOptions.NONE);
        assertEquals("1:8", step());
        assertEquals("2:12", step());
        assertEquals("0:20", step());
    }

    @Test
    void anUnknownPolicyIsRefusedWithTheNearest() {
        SettingsException refusal =
                assertThrows(
                        SettingsException.class,
                        () -> new Policies("maximum-utilisation", "fcfs", "fcfs", Map.of(), true));
        assertEquals(
                "--capacity: \"maximum-utilisation\" is none of maximum-utilization,"
                        + " guaranteed-no-evict; did you mean maximum-utilization?",
                refusal.getMessage());
    }
}
