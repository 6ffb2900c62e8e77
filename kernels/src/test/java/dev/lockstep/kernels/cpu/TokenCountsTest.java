// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class TokenCountsTest {
    @Test
    void everyDistinctIdKeepsItsCountWhileTheTableGrows() {
        var counts = new TokenCounts();
        for (int round = 1; round <= 3; round++) {
            for (int id = 0; id < 1000; id++) {
                counts.addOutput(id * 37);
            }
            assertEquals(1000, counts.size());
            for (int entry = 0; entry < counts.size(); entry++) {
                assertEquals(entry * 37, counts.id(entry));
                assertEquals(round, counts.count(entry));
            }
        }
    }

    @Test
    void promptIdsHaveCountZeroUntilTheyAreOutput() {
        var counts = new TokenCounts();
        counts.addPrompt(5);
        assertEquals(0, counts.count(0));
        counts.addOutput(5);
        assertEquals(1, counts.count(0));
    }
}
