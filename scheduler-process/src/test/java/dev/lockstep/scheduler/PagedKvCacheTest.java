// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.scheduler.process.HeapBudget;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Tests what sequences share, by means of whole plans.
class PagedKvCacheTest {
    private static final int BLOCK_SIZE = 4;
    private static final int SLOTS = 8;
    private static final KvGroupShape STATE = new KvGroupShape(KvGroupShape.Kind.STATE, 0, 4096, 3);
    private static final Policies NO_PREFIX_CACHE =
            new Policies("maximum-utilization", "fcfs", "fcfs", Map.of(), false);
    private Scheduler scheduler = scheduler(40, List.of(KvGroupShape.full(64)));
    private int kvGroups = 1;
    private long arrivals;

    private static Scheduler scheduler(int blocks, List<KvGroupShape> groups) {
        return scheduler(blocks, groups, Policies.DEFAULT);
    }

    private static Scheduler scheduler(int blocks, List<KvGroupShape> groups, Policies policies) {
        return new Scheduler(
                new GroupShape(1, SLOTS, 64, 200, BLOCK_SIZE, blocks, groups),
                new WaitingLimits(100, 10_000),
                policies,
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    @AfterEach
    void allCountsBalance() {
        scheduler.checkIntegrity();
    }

    private Sequence submit(SchedulingOptions options, int maxTokens, int... prompt) {
        var sequence =
                new Sequence(
                        arrivals,
                        "r" + arrivals++,
                        prompt,
                        Choice.of(maxTokens),
                        WantedOutputs.NONE,
                        options,
                        Optional.empty(),
                        kvGroups);
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return sequence;
    }

    private Sequence submit(int maxTokens, int... prompt) {
        return submit(SchedulingOptions.NONE, maxTokens, prompt);
    }

    private static int[] ids(int from, int to) {
        int[] ids = new int[to - from];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = from + i;
        }
        return ids;
    }

    private void step() {
        answer(scheduler.plan(0));
    }

    private void answer(StepPlan plan) {
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(500)));
            }
        }
        scheduler.apply(new StepResult(plan.epoch(), plan.number(), sampled, 0), 0);
        scheduler.checkIntegrity();
    }

    private void finish(Sequence sequence) {
        while (sequence.live()) {
            step();
        }
    }

    @Test
    void aSecondRequestComputesOnlyWhatItDoesNotShare() {
        finish(submit(2, ids(0, 18)));
        Sequence second = submit(2, 0, 1, 2, 3, 4, 5, 6, 7, 90, 91);
        StepPlan plan = scheduler.plan(0);
        assertEquals(8, second.cachedTokens());
        assertEquals(2, plan.rows().getFirst().count());
        assertEquals(List.of(), plan.copies());
        assertEquals(8, plan.admitted().getFirst().computed());
        int newBlocks = plan.rows().getFirst().newBlocks()[0].length;
        assertEquals(3, newBlocks, "the plan lists the found blocks too");
    }

    @Test
    void aPreemptedSequenceReportsWhatItsFirstAdmissionFound() {
        finish(submit(2, ids(0, 18)));
        scheduler = scheduler(7, List.of(KvGroupShape.full(64)));
        finish(submit(1, ids(0, 8)));
        Sequence older = submit(12, ids(20, 27));
        Sequence second = submit(12, 0, 1, 2, 3, 90, 91, 92);
        while (second.preemptions() == 0) {
            step();
        }
        assertEquals(4, second.cachedAtFirst());
        finish(older);
        finish(second);
        assertEquals(4, second.cachedAtFirst());
    }

    @Test
    void aPartlyEqualBlockIsCopiedUpToWhereItDiffers() {
        finish(submit(2, ids(0, 18)));
        Sequence second = submit(2, 0, 1, 2, 3, 4, 5, 90, 91);
        StepPlan plan = scheduler.plan(0);
        assertEquals(6, second.cachedTokens());
        assertEquals(1, plan.copies().size());
        assertEquals(2, plan.copies().getFirst().tokens());
        assertEquals(2, plan.rows().getFirst().count());
    }

    @Test
    void theLastTokenOfACompletelyCachedPromptIsComputed() {
        finish(submit(2, ids(0, 8)));
        Sequence second = submit(2, ids(0, 8));
        StepPlan plan = scheduler.plan(0);
        assertEquals(7, second.cachedTokens());
        assertEquals(3, plan.copies().getFirst().tokens());
        assertEquals(1, plan.rows().getFirst().count());
        assertTrue(plan.rows().getFirst().samples());
    }

    @Test
    void anotherDomainFindsNothing() {
        finish(submit(2, ids(0, 18)));
        var salted =
                new SchedulingOptions(
                        "",
                        0,
                        false,
                        SchedulingOptions.NO_DEADLINE,
                        new SchedulingOptions.Domain(1, 2, false),
                        35,
                        0);
        Sequence second = submit(salted, 2, ids(0, 18));
        scheduler.plan(0);
        assertEquals(0, second.cachedTokens());
    }

    @Test
    void aSequenceWaitsForAPrefixThatAnotherIsComputing() {
        Sequence first = submit(2, ids(0, 40));
        Sequence second = submit(2, ids(0, 40));
        StepPlan plan = scheduler.plan(0);
        assertEquals(1, plan.rows().size());
        assertEquals(Sequence.State.WAITING, second.state());
        StepPlan next = scheduler.plan(0);
        assertEquals(39, second.cachedTokens());
        assertEquals(2, next.rows().size());
        answer(plan);
        answer(next);
        finish(first);
        finish(second);
    }

    @Test
    void choicesShareTheirPromptAndCopyItsLastBlock() {
        var choices = new ArrayList<Sequence>();
        for (int choice = 0; choice < 3; choice++) {
            choices.add(
                    new Sequence(
                            arrivals++,
                            "r",
                            ids(0, 10),
                            Choice.of(3),
                            WantedOutputs.NONE,
                            SchedulingOptions.NONE,
                            choices.isEmpty() ? Optional.empty() : Optional.of(choices.getFirst()),
                            1));
        }
        scheduler.submit(choices, 0);
        step();
        StepPlan forked = scheduler.plan(0);
        assertEquals(9, choices.get(1).cachedTokens());
        assertEquals(2, forked.copies().size());
        assertEquals(1, forked.copies().getFirst().tokens());
        // Two shared blocks, and one more for each choice.
        assertEquals(39 - 5, scheduler.load().freeBlocks());
        answer(forked);
        choices.forEach(this::finish);
    }

    @Test
    void aPromptThatNeedsNearlyAPoolOfTwoGroupsStartsAlone() {
        // 50 tokens are 13 blocks of the full group; the window group uses the rest.
        for (int blocks = 16; blocks <= 18; blocks++) {
            kvGroups = 2;
            var window = new KvGroupShape(KvGroupShape.Kind.WINDOW, 4, 64, 1);
            scheduler = scheduler(blocks, List.of(KvGroupShape.full(64), window));
            Sequence sequence = submit(1, ids(0, 50));
            finish(sequence);
            assertEquals(1, sequence.outputCount());
        }
    }

    @Test
    void aWindowFreesBlocksAndAHitNeedsOnlyItsBlocks() {
        kvGroups = 2;
        var window = new KvGroupShape(KvGroupShape.Kind.WINDOW, 5, 128, 1);
        scheduler = scheduler(40, List.of(KvGroupShape.full(64), window));
        Sequence first = submit(2, ids(0, 30));
        step();
        assertEquals(8, first.blocks().table(0).size() - first.blocks().table(0).dropped());
        assertEquals(2, first.blocks().table(1).size() - first.blocks().table(1).dropped());
        finish(first);
        assertEquals(78, scheduler.load().freeBlocks());
        Sequence second = submit(2, ids(0, 30));
        scheduler.plan(0);
        assertEquals(28, second.cachedTokens());
        assertEquals(6, second.blocks().table(1).dropped());
    }

    @Test
    void aPrefixIsFoundUpToASnapshotOfItsState() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        Sequence first = submit(2, ids(0, 150));
        assertEquals(List.of(64, 64, 20, 2, 1), rowsUntilEnd(first));
        // Borders are every 16 blocks, and the last one before the end of the prompt.
        for (int[] shared : new int[][] {{149, 148}, {147, 128}, {64, 64}, {63, 0}}) {
            int[] prompt = ids(0, 150);
            prompt[shared[0]] = 999;
            Sequence next = submit(1, prompt);
            StepPlan plan = scheduler.plan(0);
            assertEquals(shared[1], next.cachedTokens(), shared[0] + " tokens shared");
            List<StepPlan.BlockCopy> states =
                    plan.copies().stream().filter(copy -> copy.kvGroup() == 1).toList();
            assertEquals(shared[1] > 0 ? 1 : 0, states.size());
            for (StepPlan.BlockCopy copy : states) {
                assertEquals(next.slot(), copy.to());
                assertTrue(copy.from() >= SLOTS, "from a snapshot");
            }
            answer(plan);
            finish(next);
        }
    }

    @Test
    void choicesOfAModelWithStatesBeginAtTheSnapshotBeforeTheEndOfTheirPrompt() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        List<Sequence> choices = submitChoices(ids(0, 19));
        assertEquals(3, choices.get(1).expectedPrefill);
        choices.forEach(this::finish);
        assertEquals(0, choices.getFirst().cachedAtFirst());
        assertEquals(16, choices.get(1).cachedAtFirst());
        assertEquals(16, choices.get(2).cachedAtFirst());
    }

    @Test
    void choicesWithoutASnapshotToComeWaitForNothing() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        // The prompt is too short for a snapshot.
        assertRunTogether(submitChoices(ids(0, 11)), 11);
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE), NO_PREFIX_CACHE);
        assertRunTogether(submitChoices(ids(0, 19)), 19);
    }

    private void assertRunTogether(List<Sequence> choices, int prompt) {
        for (Sequence choice : choices) {
            assertEquals(prompt, choice.expectedPrefill);
        }
        StepPlan plan = scheduler.plan(0);
        assertEquals(
                List.of(prompt, prompt, prompt),
                plan.rows().stream().map(StepPlan.Row::count).toList());
        answer(plan);
        choices.forEach(this::finish);
    }

    private List<Sequence> submitChoices(int[] prompt) {
        var choices = new ArrayList<Sequence>();
        for (int choice = 0; choice < 3; choice++) {
            choices.add(
                    new Sequence(
                            arrivals++,
                            "r",
                            prompt,
                            Choice.of(3),
                            WantedOutputs.NONE,
                            SchedulingOptions.NONE,
                            choices.isEmpty() ? Optional.empty() : Optional.of(choices.getFirst()),
                            kvGroups));
        }
        assertEquals(new Submission.Queued(), scheduler.submit(choices, 0));
        return choices;
    }

    @Test
    void aSequenceWaitsForTheSnapshotThatAnotherIsAboutToReach() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        Sequence first = submit(2, ids(0, 40));
        Sequence second = submit(2, ids(0, 40));
        while (second.state() == Sequence.State.WAITING) {
            step();
        }
        assertEquals(36, second.cachedTokens());
        finish(first);
        finish(second);
    }

    @Test
    void thereAreAsManySnapshotsAsSlots() {
        scheduler = scheduler(400, List.of(KvGroupShape.full(64), STATE));
        for (int prompt = 0; prompt <= SLOTS; prompt++) {
            finish(prompt(prompt, SchedulingOptions.NONE));
        }
        assertEquals(16, found(SLOTS));
        assertEquals(0, found(0));
    }

    /// Submits a prompt of 19 tokens, whose snapshot is after 16.
    private Sequence prompt(int number, SchedulingOptions options) {
        return submit(options, 1, ids(1000 * number, 1000 * number + 19));
    }

    /// Returns how many tokens such a prompt finds computed.
    private int found(int number) {
        Sequence sequence = prompt(number, SchedulingOptions.NONE);
        finish(sequence);
        return sequence.cachedAtFirst();
    }

    private static SchedulingOptions retained(int priority, int ttlSeconds) {
        SchedulingOptions none = SchedulingOptions.NONE;
        return new SchedulingOptions(
                none.tenant(),
                none.priority(),
                none.guaranteed(),
                none.deadlineNanos(),
                none.cacheDomain(),
                priority,
                ttlSeconds);
    }

    @Test
    void aSnapshotHasThePriorityOfTheLastSequenceThatFoundIt() {
        scheduler = scheduler(400, List.of(KvGroupShape.full(64), STATE));
        finish(prompt(0, retained(100, 0)));
        finish(prompt(0, retained(1, 0)));
        for (int prompt = 1; prompt <= SLOTS; prompt++) {
            finish(prompt(prompt, SchedulingOptions.NONE));
        }
        assertEquals(0, found(0));
    }

    @Test
    void theTimeOfAPriorityOfASnapshotBeginsAgainWhenItIsFound() {
        scheduler = scheduler(400, List.of(KvGroupShape.full(64), STATE));
        finish(prompt(0, retained(80, 10)));
        finish(prompt(0, retained(80, 10)));
        for (int prompt = 1; prompt <= SLOTS; prompt++) {
            Sequence sequence = prompt(prompt, SchedulingOptions.NONE);
            while (sequence.live()) {
                answer(scheduler.plan(20_000_000_000L));
            }
        }
        assertEquals(0, found(0));
    }

    @Test
    void aSequenceThatComputesAPrefixAgainRaisesItsSnapshot() {
        scheduler = scheduler(400, List.of(KvGroupShape.full(64), STATE));
        finish(prompt(0, retained(1, 0)));
        var all = new WantedOutputs(0, new Payload(new byte[] {1}));
        var again =
                new Sequence(
                        arrivals,
                        "r" + arrivals++,
                        ids(0, 19),
                        Choice.of(1),
                        all,
                        retained(90, 0),
                        Optional.empty(),
                        kvGroups);
        scheduler.submit(List.of(again), 0);
        finish(again);
        assertEquals(0, again.cachedAtFirst());
        for (int prompt = 1; prompt <= SLOTS; prompt++) {
            finish(prompt(prompt, SchedulingOptions.NONE));
        }
        assertEquals(16, found(0));
    }

    @Test
    void aLongPromptTakesOneSnapshotOfAnother() {
        scheduler = scheduler(400, List.of(KvGroupShape.full(64), STATE));
        for (int prompt = 0; prompt < SLOTS; prompt++) {
            finish(prompt(prompt, SchedulingOptions.NONE));
        }
        // Borders at 64, 128 and 192.
        finish(submit(1, ids(50_000, 50_199)));
        for (int prompt = 1; prompt < SLOTS; prompt++) {
            assertEquals(16, found(prompt), "prompt " + prompt);
        }
        assertEquals(0, found(0));
    }

    @Test
    void aSnapshotInTheMiddleOfAPromptStaysOnceItWasFound() {
        scheduler = scheduler(400, List.of(KvGroupShape.full(64), STATE));
        finish(submit(1, ids(0, 90)));
        int[] other = ids(0, 90);
        other[64] = 999;
        finish(submit(1, other));
        finish(submit(1, ids(50_000, 50_199)));
        finish(submit(1, ids(60_000, 60_199)));
        other[64] = 998;
        Sequence third = submit(1, other);
        finish(third);
        assertEquals(64, third.cachedAtFirst());
    }

    @Test
    void aRowDoesNotEndWhereASnapshotWouldSaveLessThanFourBlocks() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        assertEquals(List.of(16), rowsUntilEnd(submit(1, ids(0, 16))));
        assertEquals(List.of(16, 1), rowsUntilEnd(submit(1, ids(1000, 1017))));
        assertEquals(List.of(64, 16), rowsUntilEnd(submit(1, ids(2000, 2080))));
        assertEquals(List.of(64, 16, 1), rowsUntilEnd(submit(1, ids(3000, 3081))));
    }

    @Test
    void aModelOfStatesAloneIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> scheduler(40, List.of(STATE)));
    }

    @Test
    void whatABorderCutsOffARowOthersGet() {
        for (String microBatch : List.of("fcfs", "equal-progress")) {
            scheduler =
                    scheduler(
                            200,
                            List.of(KvGroupShape.full(64), STATE),
                            new Policies(
                                    "maximum-utilization", microBatch, "fcfs", Map.of(), true));
            Sequence first = submit(1, ids(0, 22));
            Sequence second = submit(1, ids(1000, 1100));
            StepPlan plan = scheduler.plan(0);
            assertEquals(20, first.computed(), microBatch);
            assertEquals(44, second.computed(), microBatch);
            answer(plan);
            finish(first);
            finish(second);
        }
    }

    @Test
    void aStepThatABorderLeavesRoomInTakesAnotherPrompt() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        finish(submit(1, ids(0, 62)));
        int[] longer = ids(0, 150);
        submit(1, longer);
        Sequence next = submit(1, ids(1000, 1100));
        // The first row ends at 64, four tokens after what was found.
        StepPlan plan = scheduler.plan(0);
        assertEquals(60, next.computed());
        answer(plan);
        finish(next);
    }

    @Test
    void blocksOfAnEarlierEpochAreAdoptedOnlyWhereTheyCanBeFoundAlone() {
        BlockHash name = new BlockHash(1, 2);
        assertTrue(scheduler.adopt(0, 3, name));
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        assertFalse(scheduler.adopt(0, 3, name));
        assertEquals(List.of(), scheduler.cachedNames());
    }

    @Test
    void aWaitingPromptExpectsWhatOthersComputeUpToTheirLastSnapshot() {
        scheduler = scheduler(200, List.of(KvGroupShape.full(64), STATE));
        Sequence first = submit(1, ids(0, 120));
        int[] prompt = ids(0, 120);
        prompt[80] = 999;
        // Behind a waiting sequence, and behind a running one: of 80 equal ids 64 are of use.
        Sequence second = submit(1, prompt);
        assertEquals(120 - 64, second.queuedCost);
        answer(scheduler.plan(0));
        assertEquals(Sequence.State.RUNNING, first.state());
        prompt[80] = 998;
        Sequence third = submit(1, prompt);
        assertEquals(120 - 64, third.queuedCost);
        // Of an equal prompt what the snapshot at its end is after.
        Sequence same = submit(1, ids(0, 120));
        assertEquals(120 - 116, same.queuedCost);
        for (Sequence each : List.of(first, second, third, same)) {
            finish(each);
        }
    }

    /// Returns the tokens of the rows of the only sequence that runs.
    private List<Integer> rowsUntilEnd(Sequence sequence) {
        var counts = new ArrayList<Integer>();
        while (sequence.live()) {
            StepPlan plan = scheduler.plan(0);
            counts.add(plan.rows().getFirst().count());
            answer(plan);
        }
        return counts;
    }

    @Test
    void blocksOfHigherPriorityAreReusedLater() {
        scheduler = scheduler(9, List.of(KvGroupShape.full(64)));
        var kept =
                new SchedulingOptions(
                        "",
                        0,
                        false,
                        SchedulingOptions.NO_DEADLINE,
                        SchedulingOptions.Domain.COMMON,
                        90,
                        0);
        finish(submit(kept, 1, ids(0, 9)));
        finish(submit(1, ids(100, 109)));
        finish(submit(1, ids(200, 217)));
        Sequence again = submit(1, ids(0, 9));
        scheduler.plan(0);
        assertEquals(8, again.cachedTokens());
    }

    @Test
    void theTailOfAChainIsReusedBeforeItsHead() {
        scheduler = scheduler(6, List.of(KvGroupShape.full(64)));
        finish(submit(1, ids(0, 16)));
        finish(submit(1, ids(100, 108)));
        Sequence again = submit(1, ids(0, 16));
        scheduler.plan(0);
        assertEquals(12, again.cachedTokens());
    }

    @Test
    void aMillionBlocksTakeAtMost140Megabytes() {
        var shape = new GroupShape(1, 8, 64, 200, 16, 1_000_000, List.of(KvGroupShape.full(64)));
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        var cache =
                new PagedKvCache(shape, true, new BlockHasher(FakeWorker.KEY), CacheEvents.NONE);
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;
        assertEquals(999_999, cache.freeBlocks());
        assertTrue(bytes <= 140_000_000, bytes + " bytes");
        // The stated bytes of a block are the allocated ones; the table's size is a power of two.
        double stated = 1e6 * HeapBudget.bytesOfBlock(16);
        assertTrue(
                bytes <= 1.01 * stated && bytes >= 0.9 * stated,
                bytes + " bytes, stated " + stated);
    }

    @Test
    void blocksThatAPlanReservedAndDidNotUseAreFreeForTheNext() {
        var shape = new GroupShape(1, 8, 64, 200, BLOCK_SIZE, 40, List.of(KvGroupShape.full(64)));
        var cache =
                new PagedKvCache(shape, true, new BlockHasher(FakeWorker.KEY), CacheEvents.NONE);
        var sequence = new Sequence(0, "r", ids(0, 12), Choice.of(1));
        cache.beginPlan(0);
        assertEquals(0, cache.tryAdmit(sequence));
        // A policy may give it no token: then its row comes with a later plan.
        cache.beginPlan(1);
        assertTrue(cache.tryReserve(sequence, 12));
        cache.checkIntegrity(List.of(sequence));
    }

    @Test
    void aUserDefinedManagerIsCalledForEverything() {
        var calls = new ArrayList<String>();
        var second =
                new ResourceManager() {
                    @Override
                    public void prepareResources(StepPlan plan) {
                        calls.add("prepare " + plan.rows().size());
                    }

                    @Override
                    public void updateResources(StepPlan plan) {
                        calls.add("update " + plan.number());
                    }

                    @Override
                    public void freeResources(Sequence sequence) {
                        calls.add("free " + sequence.requestId());
                    }
                };
        var shape = new GroupShape(1, 8, 64, 200, BLOCK_SIZE, 40, List.of(KvGroupShape.full(64)));
        scheduler =
                new Scheduler(
                        shape,
                        new WaitingLimits(100, 10_000),
                        new Policies("maximum-utilization", "fcfs", "fcfs", Map.of(), true),
                        events -> new UnsharedKvCache(BLOCK_SIZE, 100),
                        List.of(second),
                        CacheEvents.NONE,
                        new Timeline(64));
        finish(submit(2, ids(0, 10)));
        assertEquals(List.of("prepare 1", "update 1", "prepare 1", "free r0", "update 2"), calls);
        assertEquals(99, scheduler.load().freeBlocks());
    }
}
