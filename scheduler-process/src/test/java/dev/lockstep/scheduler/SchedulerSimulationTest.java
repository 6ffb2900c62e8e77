package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/// Whole lives of a scheduler under random arrivals, cancels, tiny pools, several KV groups, delays
/// and lost groups; [Simulation] and [FakeWorker] hold the laws it must keep at every step.
class SchedulerSimulationTest {
    private static final int SEEDS = 200;

    @Test
    void everyRequestEndsOnceWithItsOwnTokensAndEveryBlockComesBack() {
        long finished = 0;
        long cancelled = 0;
        long aborted = 0;
        long refused = 0;
        long preemptions = 0;
        long mixedSteps = 0;
        for (long seed = 0; seed < SEEDS; seed++) {
            Simulation.Counts counts;
            try {
                counts = new Simulation(seed).run();
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed + " fails: " + e.getMessage(), e);
            }
            finished += counts.finished();
            cancelled += counts.cancelled();
            aborted += counts.aborted();
            refused += counts.refused();
            preemptions += counts.preemptions();
            mixedSteps += counts.mixedSteps();
        }
        var summary =
                finished
                        + " finished, "
                        + cancelled
                        + " cancelled, "
                        + aborted
                        + " aborted, "
                        + refused
                        + " refused, "
                        + preemptions
                        + " preemptions, "
                        + mixedSteps
                        + " mixed steps";
        System.out.println(SEEDS + " seeds: " + summary);
        assertTrue(
                finished > 10 * SEEDS
                        && cancelled > SEEDS
                        && aborted > SEEDS / 4
                        && refused > SEEDS
                        && preemptions > SEEDS
                        && mixedSteps > SEEDS,
                "the seeds do not reach every corner: " + summary);
    }

    @Test
    void oneSeedReplaysExactly() {
        assertEquals(new Simulation(17).run(), new Simulation(17).run());
    }
}
