// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class DeadlinesTest {
    private static Sequence sequence(long number, long deadline) {
        return new Sequence(
                number,
                "r" + number,
                new int[] {5},
                Choice.of(1),
                WantedOutputs.NONE,
                new SchedulingOptions(
                        "", 0, false, deadline, SchedulingOptions.Domain.COMMON, 35, 0),
                Optional.empty(),
                1);
    }

    @Test
    void sequencesThatEndedDoNotStayUntilTheirDeadlines() {
        var deadlines = new Deadlines();
        List<Sequence> live = new ArrayList<>();
        for (int i = 0; i < 10_000; i++) {
            Sequence sequence = sequence(i, 1_000_000 - i);
            deadlines.add(sequence);
            if (i % 1000 == 0) {
                live.add(sequence);
            } else {
                sequence.end(Sequence.State.CANCELLED);
            }
            assertTrue(deadlines.size() <= 2 * live.size() + 64, "size " + deadlines.size());
        }
        deadlines.add(sequence(1, SchedulingOptions.NO_DEADLINE));
        List<Sequence> left = new ArrayList<>();
        while (deadlines.next() != SchedulingOptions.NO_DEADLINE) {
            Sequence next = deadlines.remove();
            if (next.live()) {
                left.add(next);
            }
        }
        assertEquals(live.reversed(), left);
    }
}
