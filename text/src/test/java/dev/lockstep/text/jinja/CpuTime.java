// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;

/// Runs code whose CPU time is limited: unlike its wall time, other processes do not lengthen it.
final class CpuTime {
    private static final Duration POLL = Duration.ofMillis(20);
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private CpuTime() {}

    /// Runs `body` on a new thread, fails when that thread uses more than `limit`, and returns what
    /// `body` throws.
    ///
    /// @param stackBytes size of the thread's stack, 0 for the default
    static Optional<Throwable> run(Duration limit, long stackBytes, Runnable body)
            throws InterruptedException {
        AtomicReference<Optional<Throwable>> failure = new AtomicReference<>(Optional.empty());
        var thread =
                new Thread(
                        null,
                        () -> {
                            try {
                                body.run();
                            } catch (Throwable thrown) {
                                failure.set(Optional.of(thrown));
                            }
                        },
                        "cpu-time",
                        stackBytes);
        thread.setDaemon(true);
        thread.start();
        while (!thread.join(POLL)) {
            long used = THREADS.getThreadCpuTime(thread.threadId());
            assertTrue(used <= limit.toNanos(), () -> "not done after " + limit + " of CPU time");
        }
        return failure.get();
    }
}
