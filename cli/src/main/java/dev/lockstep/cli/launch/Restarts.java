// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import java.time.Duration;

/// The ends of one child in a row, and how long the launcher waits before it starts the child
/// again.
final class Restarts {
    /// After so many ends in a row a child counts as failed: it is started again with the longest
    /// delay, until what ends it is mended.
    static final int FAILED_AFTER = 5;

    private static final Duration FIRST_DELAY = Duration.ofMillis(250);
    private static final Duration MAX_DELAY = Duration.ofSeconds(30);

    /// A child that had started and then ran longer begins a new row.
    private static final Duration STEADY = Duration.ofSeconds(60);

    private int ends;
    private Duration next = FIRST_DELAY;

    /// Counts an end and returns the delay before the next start.
    ///
    /// @param runTime since its start was complete: a start may take longer than it runs
    Duration ended(Duration runTime) {
        boolean steady = runTime.compareTo(STEADY) > 0;
        ends = steady ? 1 : ends + 1;
        Duration delay = ends >= FAILED_AFTER ? MAX_DELAY : steady ? FIRST_DELAY : next;
        next = delay.multipliedBy(2);
        return delay;
    }

    /// Whether the last end made it count as failed.
    boolean failed() {
        return ends == FAILED_AFTER;
    }
}
