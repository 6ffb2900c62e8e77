// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private final Progress progress = new Progress();

    @Test
    void aProcessThatWatchesNothingMoves() {
        assertTrue(progress.made());
        assertTrue(progress.made());
    }

    @Test
    void allThatIsWatchedMustHaveMovedSinceTheLastTime() {
        var loop = new AtomicLong();
        var other = new AtomicLong(7);
        progress.watch(loop::get);
        progress.watch(other::get);
        assertTrue(progress.made(), "what is new has moved");
        assertFalse(progress.made());
        loop.incrementAndGet();
        assertFalse(progress.made(), "the other one stands still");
        assertFalse(progress.made());
        other.incrementAndGet();
        assertTrue(progress.made(), "each moved at some time");
        assertFalse(progress.made());
    }
}
