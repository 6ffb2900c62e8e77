// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class DepartureTest {
    private final CompletionInbox inbox = new CompletionInbox();

    private boolean isStopped(Duration within) throws InterruptedException {
        return inbox.poll(within).isPresent();
    }

    @Test
    void aRequestThatCannotBeRepeatedEndsWithItsClient() throws Exception {
        var departure = new Departure(inbox, TestCoordinator.NEVER);
        departure.repeatable(false);
        assertFalse(isStopped(Duration.ZERO));
        departure.left();
        assertTrue(isStopped(Duration.ZERO));
    }

    @Test
    void oneThatCanGoesOnForTheWindow() throws Exception {
        var departure = new Departure(inbox, TestCoordinator.NEVER);
        departure.repeatable(true);
        departure.left();
        assertFalse(isStopped(Duration.ZERO));
        var soon = new Departure(inbox, Duration.ofNanos(1));
        soon.repeatable(true);
        soon.left();
        assertTrue(isStopped(Eventually.TIMEOUT));
    }

    @Test
    void aClientMayLeaveBeforeItIsKnown() throws Exception {
        for (boolean repeatable : new boolean[] {true, false}) {
            var departure = new Departure(inbox, TestCoordinator.NEVER);
            departure.left();
            assertFalse(isStopped(Duration.ZERO));
            departure.repeatable(repeatable);
            assertEquals(!repeatable, isStopped(Duration.ZERO));
        }
    }

    @Test
    void withoutAWindowItEndsAtOnce() throws Exception {
        var departure = new Departure(inbox, Duration.ZERO);
        departure.repeatable(true);
        departure.left();
        assertTrue(isStopped(Duration.ZERO));
    }
}
