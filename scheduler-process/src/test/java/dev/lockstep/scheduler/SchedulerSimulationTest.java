// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/// Tests whole runs of a cluster under random policies, arrivals, cancels, deadlines, tiny pools,
/// several KV groups, delays and lost groups; [Simulation], [SimulatedGroup] and `FakeWorker` check
/// the laws at every step.
class SchedulerSimulationTest {
    private static final int SEEDS = Boolean.getBoolean("lockstep.long") ? 5000 : 300;

    @Test
    void everyRequestEndsOnceWithItsOwnTokensAndEveryBlockIsFreed() {
        Simulation.Counts all = Simulation.Counts.NONE;
        for (long seed = 0; seed < SEEDS; seed++) {
            try {
                all = all.plus(new Simulation(seed).run());
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed + " fails: " + e.getMessage(), e);
            }
        }
        System.out.println(SEEDS + " seeds: " + all);
        Load.Totals totals = all.totals();
        assertTrue(
                all.finished() > 10L * SEEDS
                        && all.cancelled() > SEEDS
                        && all.migrated() > SEEDS
                        && all.poisoned() > SEEDS / 10
                        && all.refused() > SEEDS
                        && all.expired() > SEEDS / 4
                        && all.adopted() > SEEDS / 4
                        && all.withoutKv() > SEEDS
                        && totals.cachedTokens() > 10L * SEEDS
                        && totals.preemptions() > SEEDS / 2
                        && totals.mixedSteps() > SEEDS,
                "the seeds do not cover every case: " + all);
    }

    @Test
    void oneSeedReplaysExactly() {
        assertEquals(new Simulation(17).run(), new Simulation(17).run());
    }
}
