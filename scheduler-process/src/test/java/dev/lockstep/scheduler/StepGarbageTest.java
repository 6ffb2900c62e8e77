// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.lockstep.cluster.BlockHasher;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests how much memory `plan` and `apply` allocate in a step in which every sequence decodes.
class StepGarbageTest {
    private static final int BLOCK_SIZE = 16;

    /// Number of measured steps: every row fills four blocks.
    private static final int STEPS = 4 * BLOCK_SIZE;

    /// Bytes of a row: the event of its token (24 bytes, and 4 in the list of events). A sixteenth
    /// of the number and name of a new block as they are sent to the workers (two arrays, a list
    /// with a hash, and the hash for listeners: 160 bytes). Where ids and names are kept, an array
    /// is doubled now and then: 15 bytes a token. The measured value is 58; a row that was
    /// allocated anew would add 56.
    private static final double ROW_BYTES = 72;

    /// Bytes of a step, however many sequences run: the list of events, the answers of the waiting
    /// order, and iterators.
    private static final double STEP_BYTES = 4096;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private long arrivals;

    private static Scheduler scheduler(String order, int running, int blocks) {
        var shape =
                new GroupShape(
                        1,
                        running,
                        2 * running,
                        100_000,
                        BLOCK_SIZE,
                        blocks,
                        List.of(KvGroupShape.full(64)));
        return new Scheduler(
                shape,
                new WaitingLimits(1_000_000, Long.MAX_VALUE),
                new Policies("maximum-utilization", "fcfs", order, Map.of(), true),
                new BlockHasher(FakeWorker.KEY),
                CacheEvents.NONE,
                new Timeline(1 << 12));
    }

    private void submit(Scheduler scheduler, int count) {
        var random = new Random(arrivals);
        for (int i = 0; i < count; i++) {
            var sequence =
                    new Sequence(
                            arrivals,
                            "r" + arrivals++,
                            random.ints(40, 0, 50_000).toArray(),
                            Choice.of(5_000));
            assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        }
    }

    private static StepResult answer(StepPlan plan) {
        var sampled = new ArrayList<StepResult.Sampled>();
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                sampled.add(new StepResult.Sampled(row.slot(), SampledToken.of(row.slot())));
            }
        }
        return new StepResult(plan.epoch(), plan.number(), sampled, 0);
    }

    /// Returns the bytes that a step allocates, with two in flight as in the step loop.
    private double bytesOfAStep(String order, int running, int waiting, int blocks) {
        Scheduler scheduler = scheduler(order, running, blocks);
        submit(scheduler, running + waiting);
        var inFlight = new ArrayDeque<StepPlan>();
        inFlight.add(scheduler.plan(0));
        long bytes = 0;
        int counted = 0;
        while (counted < STEPS) {
            boolean decodes = inFlight.peek().prefillCount() == 0;
            long before = threads.getCurrentThreadAllocatedBytes();
            inFlight.add(scheduler.plan(0));
            long planned = threads.getCurrentThreadAllocatedBytes() - before;
            StepResult result = answer(inFlight.remove());
            before = threads.getCurrentThreadAllocatedBytes();
            scheduler.apply(result, 0);
            if (decodes) {
                bytes += planned + threads.getCurrentThreadAllocatedBytes() - before;
                counted++;
            }
        }
        assertEquals(running, scheduler.load().running());
        return (double) bytes / STEPS;
    }

    @ParameterizedTest
    @ValueSource(strings = {"fcfs", "fair", "longest-prefix"})
    void aStepAllocatesMemoryForItsTokensOnly(String order) {
        bytesOfAStep(order, 16, 16, 10_000);
        double few = bytesOfAStep(order, 256, 0, 10_000);
        double queue = bytesOfAStep(order, 256, 4_000, 10_000);
        double pool = bytesOfAStep(order, 256, 4_000, 200_000);
        System.out.printf(
                "a step of 256 rows takes %.0f bytes, with a queue %.0f, with a large pool %.0f (%s)%n",
                few, queue, pool, order);
        double max = 256 * ROW_BYTES + STEP_BYTES;
        assertTrue(few <= max, few + " bytes of " + max);
        assertTrue(queue <= few + STEP_BYTES, queue + " bytes with a queue, " + few + " without");
        assertTrue(
                pool <= queue + STEP_BYTES,
                pool + " bytes with a large pool, " + queue + " without");
    }
}
