// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Randomness;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/// Tests of time and randomness as simulations use them.
class WorldTest {

    @Test
    void virtualTimeMovesOnlyWhenMoved() {
        var clock = new VirtualClock();
        long start = clock.nanoTime();
        assertEquals(start, clock.nanoTime());
        clock.advance(Duration.ofMinutes(1));
        assertEquals(60_000_000_000L, clock.nanoTime() - start);
        assertRefused("cannot go back", () -> clock.advance(Duration.ofNanos(-1)));
    }

    @Test
    void oneSeedGivesTheSameBitsAgain() {
        assertArrayEquals(Randomness.seeded(5).nextKey(), Randomness.seeded(5).nextKey());
        assertNotEquals(
                Randomness.seeded(5).nextIncarnation(), Randomness.seeded(6).nextIncarnation());
        assertTrue(Randomness.secure().nextIncarnation().matches("[0-9a-f]{32}"));
    }
}
