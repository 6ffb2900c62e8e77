// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SchedulerTest {
    private static final int BLOCK_SIZE = 4;
    private static final WaitingLimits LIMITS = new WaitingLimits(10, 100);
    private static final Policies NO_CACHE =
            new Policies("maximum-utilization", "fcfs", "fcfs", Map.of(), false);
    private Scheduler scheduler = scheduler(8, 16, 50);
    private long arrivals;

    private static Scheduler scheduler(int maxSequences, int budget, int blocks) {
        List<KvGroupShape> groups = List.of(KvGroupShape.full(64));
        return new Scheduler(
                new GroupShape(3, maxSequences, budget, 100, BLOCK_SIZE, blocks, groups),
                LIMITS,
                NO_CACHE,
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    @AfterEach
    void allCountsBalance() {
        scheduler.checkIntegrity();
    }

    private Sequence sequence(int prompt, Choice choice) {
        return new Sequence(arrivals, "r" + arrivals++, new int[prompt], choice);
    }

    private Sequence submit(int prompt, int maxTokens) {
        return submit(prompt, Choice.of(maxTokens));
    }

    private Sequence submit(int prompt, Choice choice) {
        Sequence sequence = sequence(prompt, choice);
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return sequence;
    }

    private StepPlan plan() {
        StepPlan plan = scheduler.plan(0);
        scheduler.checkIntegrity();
        return plan;
    }

    /// Answers a plan with the id `token` in every row that samples.
    private List<SequenceEvent> answer(StepPlan plan, int token) {
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(token)));
            }
        }
        List<SequenceEvent> events =
                scheduler.apply(new StepResult(plan.epoch(), plan.number(), sampled, 0), 0);
        scheduler.checkIntegrity();
        return events;
    }

    private List<SequenceEvent> step(int token) {
        return answer(plan(), token);
    }

    private static String rows(StepPlan plan) {
        var text = new ArrayList<String>();
        for (StepPlan.Row row : plan.rows()) {
            int end = row.computed() + row.count();
            text.add("r" + row.sequence().arrival() + "[" + row.computed() + "," + end + ")");
        }
        return String.join(" ", text);
    }

    private static StepResult refusing(StepPlan plan, int slot) {
        List<StepResult.Refused> refused = List.of(new StepResult.Refused(slot, "top_p is 7"));
        List<StepResult.Sampled> sampled = List.of(new StepResult.Sampled(0, SampledToken.of(5)));
        return new StepResult(plan.epoch(), plan.number(), refused, sampled, List.of(), 0);
    }

    @Test
    void aRefusedAdmissionEndsItsSequenceWithoutATokenThoughItsNextStepIsInFlight() {
        Sequence sequence = submit(4, 10);
        StepPlan first = plan();
        StepPlan second = plan();
        assertEquals(
                List.of(new SequenceEvent.Refused(sequence, "top_p is 7")),
                scheduler.apply(refusing(first, 0), 0));
        assertEquals(Sequence.State.REFUSED, sequence.state());
        assertEquals(List.of(), answer(second, 6));
        submit(4, 1);
        assertEquals("r1[0,4)", rows(plan()));
    }

    @Test
    void aRefusalOfASlotThatTheStepDoesNotHaveIsABrokenResult() {
        submit(4, 10);
        StepPlan first = plan();
        assertThrows(IllegalStateException.class, () -> scheduler.apply(refusing(first, 3), 0));
        answer(first, 6);
    }

    @Test
    void aRunningSequenceCanBeRefused() {
        Sequence sequence = submit(4, 10);
        answer(plan(), 6);
        assertEquals(
                List.of(new SequenceEvent.Refused(sequence, "top_p is 7")),
                scheduler.apply(refusing(plan(), 0), 0));
        assertEquals(Sequence.State.REFUSED, sequence.state());
    }

    @Test
    void aConstrainedSequenceWaitsForItsTokenAndOthersDoNot() {
        submit(4, constrained(10));
        submit(4, 10);
        assertEquals("r0[0,4) r1[0,4)", rows(plan()));
        StepPlan second = plan();
        assertEquals("r1[4,5)", rows(second));
    }

    @Test
    void aConstrainedSequenceDoesNotWaitForTokensThatItsWorkersDoNotNeed() {
        submit(4, constrained(10));
        StepPlan first = plan();
        assertTrue(plan().isEmpty());
        sampled(first, 2);
        StepPlan second = plan();
        StepPlan third = plan();
        assertEquals("r0[4,5)", rows(second));
        assertEquals("r0[5,6)", rows(third));
        sampled(second, 1);
        assertTrue(plan().isEmpty(), "the token after the third step depends on the text");
        sampled(third, Integer.MAX_VALUE);
        StepPlan fourth = plan();
        assertEquals("r0[6,7)", rows(fourth));
        assertEquals("r0[7,8)", rows(plan()));
    }

    private void sampled(StepPlan plan, int free) {
        scheduler.apply(
                new StepResult(
                        plan.epoch(),
                        plan.number(),
                        List.of(
                                new StepResult.Sampled(
                                        0, SampledToken.of(5), List.of(), false, free, false)),
                        0),
                0);
    }

    @Test
    void forcedIdsAreOneRowThatBringsThemToTheWorkers() {
        Sequence sequence = submit(4, constrained(10));
        StepPlan first = plan();
        assertTrue(plan().isEmpty());
        List<SequenceEvent> events = forcing(first, List.of(6, 7), false);
        assertEquals(3, events.size());
        assertEquals(List.of(5, 6, 7), Arrays.stream(sequence.copyOfOutputs()).boxed().toList());
        StepPlan second = plan();
        assertEquals("r0[4,7)", rows(second));
        assertArrayEquals(new int[] {5, 6, 7}, second.rows().getFirst().ids());
        forcing(second, List.of(), false);
        StepPlan third = plan();
        assertEquals("r0[7,8)", rows(third));
        assertArrayEquals(new int[0], third.rows().getFirst().ids());
        events = forcing(third, List.of(8), true);
        assertEquals(new SequenceEvent.Stopped(sequence, -1), events.getLast());
    }

    @Test
    void forcedIdsEndAtTheMostTokens() {
        Sequence sequence = submit(4, constrained(2));
        List<SequenceEvent> events = forcing(plan(), List.of(6, 7), true);
        assertEquals(List.of(5, 6), Arrays.stream(sequence.copyOfOutputs()).boxed().toList());
        assertEquals(new SequenceEvent.LengthReached(sequence), events.getLast());
    }

    @Test
    void aRowIsSentAheadOfATokenThatAConstraintLeavesOpen() {
        submit(4, constrained(10));
        open(plan(), 5, List.of());
        StepPlan second = plan();
        StepPlan third = plan();
        assertEquals("r0[4,5)", rows(second));
        assertEquals("r0[5,6)", rows(third));
        open(second, 6, List.of());
        assertEquals("r0[6,7)", rows(plan()));
        // The token that is not open is waited for.
        answer(third, 7);
        assertTrue(plan().isEmpty());
    }

    /// The row that was sent ahead computes the id before the forced ones and samples the first of
    /// them, which is known: the next row needs not wait for it.
    @Test
    void idsThatAreForcedBeforeARowSentAheadAreBroughtByTheNextRow() {
        Sequence sequence = submit(4, constrained(6));
        open(plan(), 5, List.of());
        StepPlan second = plan();
        StepPlan ahead = plan();
        assertEquals(3, open(second, 6, List.of(7, 8)).size());
        StepPlan fourth = plan();
        assertEquals("r0[6,8)", rows(fourth));
        assertArrayEquals(new int[] {7, 8}, fourth.rows().getFirst().ids());
        assertEquals(List.of(), open(ahead, 7, List.of(1)), "a known id is no event");
        assertEquals(List.of(5, 6, 7, 8), Arrays.stream(sequence.copyOfOutputs()).boxed().toList());
        StepPlan fifth = plan();
        assertEquals("r0[8,9)", rows(fifth));
        assertEquals(0, fifth.rows().getFirst().ids().length);
        open(fourth, 9, List.of());
        assertTrue(plan().isEmpty(), "the token in flight is the last");
        assertEquals(
                new SequenceEvent.LengthReached(sequence), open(fifth, 10, List.of(11)).getLast());
    }

    @Test
    void noRowIsSentAheadBeforeTheFewestTokens() {
        submit(4, new Choice(0, 9, 2, List.of(1), Payload.NONE, Payload.of(new byte[] {1})));
        open(plan(), 5, List.of());
        StepPlan second = plan();
        assertTrue(plan().isEmpty());
        open(second, 6, List.of());
        assertEquals("r0[5,6)", rows(plan()));
        assertEquals("r0[6,7)", rows(plan()));
    }

    private List<SequenceEvent> open(StepPlan plan, int id, List<Integer> forced) {
        var sampled = new StepResult.Sampled(0, SampledToken.of(id), forced, false, 0, true);
        return scheduler.apply(new StepResult(plan.epoch(), plan.number(), List.of(sampled), 0), 0);
    }

    private static Choice constrained(int maxTokens) {
        return new Choice(0, maxTokens, 0, List.of(), Payload.NONE, Payload.of(new byte[] {1}));
    }

    private List<SequenceEvent> forcing(StepPlan plan, List<Integer> forced, boolean complete) {
        return scheduler.apply(
                new StepResult(
                        plan.epoch(),
                        plan.number(),
                        List.of(
                                new StepResult.Sampled(
                                        0, SampledToken.of(5), forced, complete, 0, false)),
                        0),
                0);
    }

    @Test
    void aLongPromptIsPrefilledInChunksAndDecodesGoFirst() {
        submit(4, 10);
        assertEquals("r0[0,4)", rows(plan()));
        submit(30, 10);
        StepPlan mixed = plan();
        assertEquals("r0[4,5) r1[0,15)", rows(mixed));
        assertTrue(mixed.mixed());
        assertEquals(16, mixed.tokenCount());
    }

    @Test
    void aChunkThatIsNotTheLastOfItsPromptSamplesNothing() {
        submit(20, 10);
        StepPlan first = plan();
        StepPlan second = plan();
        assertFalse(first.rows().getFirst().samples());
        assertEquals("r0[16,20)", rows(second));
        assertTrue(second.rows().getFirst().samples());
    }

    @Test
    void theNextStepIsPlannedBeforeTokensAreKnown() {
        submit(4, 10);
        StepPlan first = plan();
        StepPlan second = plan();
        assertEquals("r0[4,5)", rows(second));
        assertFalse(scheduler.canPlan());
        answer(first, 7);
        assertEquals("r0[5,6)", rows(plan()));
    }

    @Test
    void aSequenceCertainToReachItsLengthIsNotScheduledAgain() {
        submit(4, 2);
        StepPlan first = plan();
        StepPlan second = plan();
        answer(first, 7);
        assertTrue(plan().isEmpty());
        List<SequenceEvent> events = answer(second, 8);
        assertInstanceOf(SequenceEvent.LengthReached.class, events.getLast());
        assertEquals(49, scheduler.load().freeBlocks());
    }

    @Test
    void tokensAfterAStopAreDropped() {
        Sequence sequence = submit(4, Choice.of(10).withStopTokenIds(List.of(99)));
        StepPlan first = plan();
        StepPlan second = plan();
        assertEquals(
                List.of(
                        new SequenceEvent.Generated(sequence, 0, SampledToken.of(99)),
                        new SequenceEvent.Stopped(sequence, 99)),
                answer(first, 99));
        assertEquals(List.of(), answer(second, 5));
        assertEquals(1, sequence.outputCount());
    }

    @Test
    void blocksAndSlotAreFreeOnlyWhenEveryStepSentEarlierHasCompleted() {
        submit(4, Choice.of(10).withStopTokenIds(List.of(99)));
        StepPlan first = plan();
        StepPlan second = plan();
        answer(first, 99);
        assertEquals(47, scheduler.load().freeBlocks());
        submit(1, 5);
        StepPlan third = plan();
        assertArrayEquals(new int[0], third.releasedSlots());
        answer(second, 5);
        assertEquals(48, scheduler.load().freeBlocks());
        assertArrayEquals(new int[] {0}, plan().releasedSlots());
    }

    @Test
    void stopIdsCountOnlyAfterMinTokens() {
        var choice = new Choice(0, 3, 1, List.of(9), Payload.NONE, Payload.NONE);
        submit(2, choice);
        assertEquals(1, step(9).size());
        assertInstanceOf(SequenceEvent.Stopped.class, step(9).getLast());
    }

    @Test
    void aStopIdWinsOverTheLength() {
        submit(2, Choice.of(1).withStopTokenIds(List.of(9)));
        assertInstanceOf(SequenceEvent.Stopped.class, step(9).getLast());
    }

    @Test
    void theYoungestIsPreemptedAndReturnsFirstWithItsOutputs() {
        scheduler = scheduler(8, 16, 5);
        Sequence older = submit(7, 8);
        Sequence younger = submit(7, 8);
        submit(5, 1);
        step(5);
        assertEquals(2, scheduler.load().running());
        step(6);
        // Both have 9 ids now and two blocks each; the younger is preempted for the third block of
        // the older.
        step(7);
        assertEquals(Sequence.State.WAITING, younger.state());
        assertEquals(1, scheduler.load().totals().preemptions());
        assertArrayEquals(new int[] {5, 6}, younger.copyOfOutputs());
        while (older.live()) {
            step(8);
        }
        StepPlan back = plan();
        assertEquals("r1[0,9)", rows(back));
        assertEquals(1, scheduler.load().waiting());
        assertArrayEquals(new int[] {5, 6}, back.admitted().getFirst().outputIds());
        answer(back, 3);
        assertEquals(3, younger.outputCount());
    }

    @Test
    void aPreemptedSequenceStillReceivesTheTokenOfAStepInFlight() {
        scheduler = scheduler(8, 16, 5);
        submit(7, 8);
        Sequence younger = submit(7, 8);
        StepPlan first = plan();
        StepPlan second = plan();
        answer(first, 5);
        assertTrue(plan().isEmpty());
        assertEquals(Sequence.State.WAITING, younger.state());
        answer(second, 6);
        assertArrayEquals(new int[] {5, 6}, younger.copyOfOutputs());
        assertTrue(rows(plan()).startsWith("r0[8,9)"));
    }

    @Test
    void aRequestThatCanNeverRunIsRefusedWithBothNumbers() {
        Submission refused = scheduler.submit(List.of(sequence(60, Choice.of(41))), 0);
        assertEquals(
                new Submission.Unservable(
                        "prompt of 60 tokens and max_tokens 41 make 101, the model's context is"
                                + " 100"),
                refused);
        scheduler = scheduler(8, 16, 5);
        assertEquals(
                new Submission.Unservable(
                        "prompt of 10 tokens and max_tokens 8 make 18, the KV cache holds 16"),
                scheduler.submit(List.of(sequence(10, Choice.of(8))), 0));
        // The last token is never fed back, so 17 fit into 16.
        submit(10, 7);
    }

    @Test
    void aFullQueueRefusesBySequencesAndByTokens() {
        for (int i = 0; i < 10; i++) {
            submit(1, 1);
        }
        Submission tooMany = scheduler.submit(List.of(sequence(1, Choice.of(1))), 0);
        assertEquals(new Submission.QueueFull("10 sequences wait, the limit is 10"), tooMany);
        scheduler = scheduler(8, 16, 50);
        submit(60, 1);
        Submission tooLong = scheduler.submit(List.of(sequence(50, Choice.of(1))), 0);
        assertEquals(
                new Submission.QueueFull("60 tokens wait and the request has 50, the limit is 100"),
                tooLong);
    }

    @Test
    void theChoicesOfARequestAreQueuedAllOrNone() {
        submit(1, 1);
        var choices = new ArrayList<Sequence>();
        for (int i = 0; i < 10; i++) {
            choices.add(sequence(1, Choice.of(1)));
        }
        assertInstanceOf(Submission.QueueFull.class, scheduler.submit(choices, 0));
        assertEquals(1, scheduler.load().waiting());
    }

    @Test
    void anEmptyQueueAcceptsAnyRequestThatCanRun() {
        var choices = new ArrayList<Sequence>();
        for (int i = 0; i < 12; i++) {
            choices.add(sequence(90, Choice.of(1)));
        }
        assertInstanceOf(Submission.Queued.class, scheduler.submit(choices, 0));
    }

    @Test
    void noMoreEventsOfACancelledSequenceAreReported() {
        Sequence running = submit(4, 10);
        StepPlan plan = plan();
        Sequence waiting = submit(4, 10);
        scheduler.cancel(running, 0);
        scheduler.cancel(waiting, 0);
        scheduler.cancel(waiting, 0);
        assertEquals(List.of(), answer(plan, 5));
        assertTrue(plan().isEmpty());
        assertEquals(49, scheduler.load().freeBlocks());
    }

    @Test
    void noMoreSequencesRunThanThereAreSlots() {
        scheduler = scheduler(2, 16, 50);
        submit(1, 10);
        submit(1, 10);
        submit(1, 10);
        assertEquals("r0[0,1) r1[0,1)", rows(plan()));
        assertEquals(1, scheduler.load().waiting());
    }

    @Test
    void noSequenceOvertakesOneThatDoesNotFitYet() {
        scheduler = scheduler(8, 16, 6);
        submit(12, 8);
        step(1);
        submit(12, 4);
        submit(5, 4);
        assertEquals("r0[12,13)", rows(plan()));
        assertEquals(2, scheduler.load().waiting());
    }

    @Test
    void aResultThatDoesNotMatchTheStepIsRefused() {
        submit(4, 10);
        StepPlan plan = plan();
        var nothing = new StepResult(plan.epoch(), plan.number(), List.of(), 0);
        assertThrows(IllegalStateException.class, () -> scheduler.apply(nothing, 0));
        var wrongEpoch = new StepResult(plan.epoch() + 1, plan.number(), List.of(), 0);
        assertThrows(IllegalStateException.class, () -> scheduler.apply(wrongEpoch, 0));
        assertEquals(1, answer(plan, 5).size());
    }

    @Test
    void aBlockFilledByADecodeIsNamedWhenItsLastIdIsKnown() {
        submit(3, 10);
        StepPlan prefill = plan();
        StepPlan filling = plan();
        assertEquals("r0[3,4)", rows(filling));
        assertEquals(List.of(), filling.rows().getFirst().fullBlocks());
        answer(prefill, 7);
        var hasher = new BlockHasher(FakeWorker.KEY);
        assertEquals(
                List.of(hasher.next(hasher.root(), new int[] {0, 0, 0, 7}, 0, 4)),
                plan().rows().getFirst().fullBlocks());
    }
}
