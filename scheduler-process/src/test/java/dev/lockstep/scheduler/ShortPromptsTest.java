// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Short prompts beside long ones, on virtual time.
class ShortPromptsTest {
    private static final int LONG = 8100;
    private static final int SHORT = 100;
    private static final long LIMIT_SECONDS = 30;

    private static TimedGroup group(String microBatch, String order, long fixedMillis) {
        return new TimedGroup(
                new Policies("maximum-utilization", microBatch, order, Map.of(), true),
                new WaitingLimits(1024, 1 << 20, LIMIT_SECONDS * 1_000_000_000),
                fixedMillis,
                20_000);
    }

    private static TimedGroup withShortPrompts(TimedGroup group) {
        for (int i = 0; i < 60; i++) {
            group.arrive(100 + 337L * i, SHORT, 20);
        }
        return group.run();
    }

    /// @param fixed what every step takes at least, for weights that are read whatever its tokens
    @ParameterizedTest
    @CsvSource({
        "fcfs, fcfs, 20",
        "fcfs, fair, 60",
        "fcfs, priority, 100",
        "equal-progress, longest-prefix, 20"
    })
    void aShortPromptWaitsOnAverageNoLongerThanItTakesAlone(
            String microBatch, String order, long fixed) {
        TimedGroup alone = withShortPrompts(group(microBatch, order, fixed));
        TimedGroup beside = group(microBatch, order, fixed);
        for (int i = 0; i < 32; i++) {
            beside.arrive(0, LONG, 20);
        }
        withShortPrompts(beside);
        long millis = beside.millis(SHORT, TimedGroup::mean);
        long millisAlone = alone.millis(SHORT, TimedGroup::mean);
        assertTrue(millis <= 2 * millisAlone, millis + " ms, alone " + millisAlone + " ms");
        // Nobody knows of the first one until it comes: it finds a full step running, and another
        // one planned.
        long goal = StepTime.GOAL_MICROS / 1000;
        long longest = beside.millis(SHORT, TimedGroup::max);
        assertTrue(longest <= 2 * goal + millisAlone, longest + " ms");
        assertFalse(beside.refused.containsKey(SHORT));
        // The estimate is right, but for the short prompts that come later.
        List<Long> accepted = requireNonNull(beside.firstTokenMillis.get(LONG));
        assertEquals(32, accepted.size() + requireNonNull(beside.refused.get(LONG)).size());
        assertTrue(accepted.size() >= 7, "accepted " + accepted);
        assertTrue(
                accepted.stream().allMatch(each -> each < 2 * LIMIT_SECONDS * 1000),
                "accepted " + accepted);
    }

    /// Four times as many as the group can compute.
    @Test
    void longPromptsGoOnHoweverManyShortOnesCome() {
        TimedGroup alone = group("fcfs", "fcfs", 20).arrive(0, LONG, 2).run();
        TimedGroup flooded = group("fcfs", "fcfs", 20).arrive(0, LONG, 2);
        for (int i = 0; i < 800; i++) {
            flooded.arrive(6L * i, SHORT, 2);
        }
        flooded.run();
        long millis = flooded.millis(LONG, TimedGroup::max);
        long millisAlone = alone.millis(LONG, TimedGroup::max);
        assertTrue(millis < 4 * millisAlone, millis + " ms, alone " + millisAlone + " ms");
    }

    /// The rest of a prompt is short, but no reason to compute those behind it in short steps.
    @Test
    void promptsOfOneLengthRunInFullSteps() {
        int prompt = 700;
        TimedGroup group = group("fcfs", "fcfs", 60);
        for (int i = 0; i < 16; i++) {
            group.arrive(0, prompt, 2);
        }
        group.run();
        var cost = TimedGroup.cost();
        double fullSteps = 16 * cost.cost(0, prompt) / cost.cost(0, TimedGroup.STEP_TOKENS);
        double millis = fullSteps * StepTime.GOAL_MICROS / 1000;
        double longest = group.millis(prompt, TimedGroup::max);
        assertTrue(longest <= 1.15 * millis, longest + " ms, in full steps " + millis + " ms");
    }

    /// Sixteen tokens wait for memory: as many others pass, and then nobody.
    @Test
    void thoseThatPassASequenceWithoutMemoryHaveTogetherNoMoreTokens() {
        var scheduler =
                new Scheduler(
                        new GroupShape(1, 32, 16, 100, 4, 30, List.of(KvGroupShape.full(64))),
                        new WaitingLimits(200, 10_000),
                        Policies.DEFAULT,
                        new BlockHasher(FakeWorker.KEY),
                        CacheEvents.NONE,
                        new Timeline(1 << 10));
        var holder = new Sequence(0, "holder", ids(0, 80), Choice.of(20));
        scheduler.submit(List.of(holder), 0);
        while (holder.prefilling() || !holder.started()) {
            step(scheduler);
        }
        var lacking = new Sequence(1, "lacking", ids(1, 40), Choice.of(10));
        scheduler.submit(List.of(lacking), 0);
        var passing = new ArrayList<Sequence>();
        for (int i = 2; i < 30; i++) {
            var each = new Sequence(i, "r" + i, ids(i, 4), Choice.of(1));
            passing.add(each);
            scheduler.submit(List.of(each), 0);
        }
        for (int i = 0; i < 15; i++) {
            step(scheduler);
        }
        assertTrue(holder.live());
        assertFalse(lacking.started());
        assertEquals(10, passing.stream().filter(Sequence::started).count(), "40 tokens");
    }

    private static int[] ids(int first, int count) {
        int[] ids = new int[count];
        ids[0] = first;
        return ids;
    }

    private static void step(Scheduler scheduler) {
        StepPlan plan = scheduler.plan(0);
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(7)));
            }
        }
        scheduler.apply(new StepResult(1, plan.number(), sampled, 0), 0);
        scheduler.checkIntegrity();
    }
}
