// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.io.IOException;
import java.time.Duration;

/// Tests what happens at a limit, and just before it: a busy machine exceeds a short limit where a
/// quiet one does not, and none exceeds the longest.
final class Patience {
    private static final int TRIES = 4;
    private static final int GROWTH = 4;

    private Patience() {}

    /// A test whose subject has this limit.
    @FunctionalInterface
    interface Trial {
        void run(Duration limit) throws Exception;
    }

    /// Repeats `trial` with longer and longer limits until it passes; a fault fails all of them.
    static void growing(Duration first, Trial trial) throws Exception {
        Duration limit = first;
        for (int tries = 1; ; tries++) {
            try {
                trial.run(limit);
                return;
            } catch (AssertionError | IOException e) {
                if (tries == TRIES) {
                    throw e;
                }
            }
            limit = limit.multipliedBy(GROWTH);
        }
    }
}
