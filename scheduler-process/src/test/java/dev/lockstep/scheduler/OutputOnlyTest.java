// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests sequences that generate nothing, and outputs other than tokens.
class OutputOnlyTest {
    private static final WantedOutputs MEAN = FakeWorker.wanted(0, false, false, true);

    private final Scheduler scheduler = scheduler("maximum-utilization");
    private final FakeWorker worker = new FakeWorker(shape());
    private long arrivals;

    private static GroupShape shape() {
        return new GroupShape(1, 4, 32, 120, 4, 21, List.of(KvGroupShape.full(64)));
    }

    private static Scheduler scheduler(String capacity) {
        return new Scheduler(
                shape(),
                new WaitingLimits(100, 10_000),
                new Policies(capacity, "equal-progress", "fcfs", Map.of(), true),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 10));
    }

    private Sequence submit(int prompt, int maxTokens, WantedOutputs wanted) {
        int[] ids = new int[prompt];
        for (int i = 0; i < prompt; i++) {
            ids[i] = i % FakeWorker.VOCABULARY;
        }
        var sequence =
                new Sequence(
                        arrivals++,
                        "r" + arrivals,
                        ids,
                        Choice.of(maxTokens),
                        wanted,
                        SchedulingOptions.NONE,
                        Optional.empty(),
                        1);
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return sequence;
    }

    private List<SequenceEvent> run() {
        var events = new ArrayList<SequenceEvent>();
        for (StepPlan plan = scheduler.plan(0); !plan.isEmpty(); plan = scheduler.plan(0)) {
            scheduler.checkIntegrity();
            events.addAll(scheduler.apply(worker.run(plan), 0));
            scheduler.checkIntegrity();
        }
        return events;
    }

    @Test
    void aPromptThatFitsAStepUsesNoBlocks() {
        Sequence sequence = submit(30, 0, MEAN);
        StepPlan plan = scheduler.plan(0);
        assertTrue(sequence.withoutKv());
        assertEquals(1, plan.rows().size());
        assertEquals(30, plan.rows().getFirst().count());
        assertEquals(scheduler.load().blocks(), scheduler.load().freeBlocks());
        List<SequenceEvent> events = scheduler.apply(worker.run(plan), 0);
        assertEquals(2, events.size());
        assertFalse(((SequenceEvent.Computed) events.get(0)).outputs().pooled().isEmpty());
        assertEquals(new SequenceEvent.LengthReached(sequence), events.get(1));
        assertEquals(0, scheduler.load().running());
    }

    @Test
    void aLongerPromptIsChunkedAndItsBlocksAreFreed() {
        Sequence sequence = submit(50, 0, MEAN);
        StepPlan plan = scheduler.plan(0);
        assertFalse(sequence.withoutKv());
        assertTrue(plan.tokenCount() < 50);
        assertTrue(scheduler.load().freeBlocks() < scheduler.load().blocks());
        scheduler.apply(worker.run(plan), 0);
        assertEquals(new SequenceEvent.LengthReached(sequence), run().getLast());
        assertEquals(scheduler.load().blocks(), scheduler.load().freeBlocks());
    }

    @Test
    void itLeavesRoomForDecodes() {
        Sequence decoding = submit(4, 8, WantedOutputs.NONE);
        scheduler.apply(worker.run(scheduler.plan(0)), 0);
        Sequence other = submit(31, 0, MEAN);
        StepPlan plan = scheduler.plan(0);
        assertTrue(other.withoutKv());
        assertEquals(32, plan.tokenCount());
        assertTrue(plan.rows().stream().anyMatch(row -> row.sequence() == decoding));
    }

    @Test
    void aPromptForWhichDecodesLeaveTooLittleRoomIsChunked() {
        var _ = submit(4, 8, WantedOutputs.NONE);
        scheduler.apply(worker.run(scheduler.plan(0)), 0);
        Sequence other = submit(32, 0, MEAN);
        assertEquals(32, scheduler.plan(0).tokenCount());
        assertFalse(other.withoutKv());
    }

    @Test
    void positionsWithRequestedOutputsAreNotTakenFromTheCache() {
        Sequence first = submit(40, 4, WantedOutputs.NONE);
        run();
        assertEquals(4, first.outputCount());
        // It generates, so that it uses the cache.
        for (int from : new int[] {0, 17, 38}) {
            WantedOutputs wanted = FakeWorker.wanted(from, true, true, false);
            Sequence second = submit(40, 2, wanted);
            StepPlan plan = scheduler.plan(0);
            assertTrue(second.cachedTokens() <= from, second + " of " + from);
            assertTrue(second.cachedTokens() >= from - 4, second + " of " + from);
            scheduler.apply(worker.run(plan), 0);
            run();
        }
    }

    @Test
    void aPositionIsDeliveredOnceHoweverOftenItIsComputed() {
        var cursor = new PositionOutputs.Cursor();
        PositionOutputs first = outputs(0, 3);
        assertEquals(first, cursor.advance(first));
        assertTrue(cursor.advance(outputs(0, 2)).isEmpty());
        PositionOutputs overlapping = cursor.advance(outputs(1, 5));
        assertEquals(3, overlapping.position());
        assertEquals(outputs(3, 3), overlapping);
    }

    private static PositionOutputs outputs(int position, int count) {
        var tokens = new ArrayList<Payload>();
        var states = new ArrayList<Payload>();
        for (int i = position; i < position + count; i++) {
            tokens.add(new Payload(new byte[] {(byte) i}));
            states.add(new Payload(new byte[] {(byte) -i}));
        }
        return new PositionOutputs(position, tokens, 1, states, Payload.NONE);
    }
}
