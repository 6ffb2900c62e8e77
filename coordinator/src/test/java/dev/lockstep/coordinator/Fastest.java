// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.Callable;

/// Checks limits of wall time reliably on a busy machine: a wait that is too long occurs in each of
/// several tries, while other processes lengthen only some of them.
final class Fastest {
    private static final int TRIES = 10;

    private Fastest() {}

    /// Repeats `timed` until it takes less than `limit`.
    ///
    /// @param timed returns the time that it took
    static void assertWithin(Duration limit, Callable<Duration> timed) throws Exception {
        Duration fastest = timed.call();
        for (int i = 1; i < TRIES && fastest.compareTo(limit) >= 0; i++) {
            Duration next = timed.call();
            fastest = next.compareTo(fastest) < 0 ? next : fastest;
        }
        assertTrue(
                fastest.compareTo(limit) < 0,
                "the fastest of " + TRIES + " takes " + fastest.toMillis() + " ms");
    }
}
