// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Tests whole clusters whose processes die, stand still and come back; [ClusterSimulation] says
/// what it requires at every event.
class ClusterSimulationTest {
    private static final int SEEDS = Boolean.getBoolean("lockstep.long") ? 20_000 : 300;

    @Test
    void noAcceptedRequestIsLostWhateverDies() {
        Map<Happening, Long> all = new EnumMap<>(Happening.class);
        for (long seed = 0; seed < SEEDS; seed++) {
            try {
                new ClusterSimulation(seed)
                        .run()
                        .counts()
                        .forEach((what, count) -> all.merge(what, count, Long::sum));
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed + " fails: " + e.getMessage(), e);
            }
        }
        System.out.println(SEEDS + " seeds: " + all);
        var missing = EnumSet.allOf(Happening.class);
        missing.removeAll(all.keySet());
        // It takes more faults in a row than most runs have.
        missing.remove(Happening.GROUP_LOST);
        assertEquals(EnumSet.noneOf(Happening.class), missing, "never happens");
    }

    @Test
    void oneSeedReplaysExactly() {
        for (long seed = 0; seed < 20; seed++) {
            assertEquals(new ClusterSimulation(seed).run(), new ClusterSimulation(seed).run());
        }
    }
}
