// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.Terminal;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// The pause between two attempts: the time a busy host asks for, or an exponential back-off if
/// that is longer. Safe for any number of threads.
final class HubPause {
    // Parallel downloads receive the same Retry-After: pauses that end this close together are
    // announced once.
    private static final long SAME_PAUSE_NANOS = 1_000_000_000;

    private final HubConfig.Timeouts timeouts;
    private final Terminal terminal;
    private Optional<Long> announcedEndNanos = Optional.empty();

    HubPause(HubConfig.Timeouts timeouts, Terminal terminal) {
        this.timeouts = timeouts;
        this.terminal = terminal;
    }

    /// One attempt of a request.
    interface Attempt<T> {
        T run() throws IOException, InterruptedException;
    }

    /// Repeats an attempt until it succeeds.
    ///
    /// @throws IOException the last failure, when the attempts are used up or the host asks for a
    ///   longer pause than allowed
    <T> T retry(Attempt<T> attempt) throws IOException, InterruptedException {
        for (int failures = 1; ; failures++) {
            try {
                return attempt.run();
            } catch (IOException e) {
                after(failures, e);
            }
        }
    }

    /// Waits before the next attempt.
    ///
    /// @param failures number of failures since the last progress
    /// @throws IOException `failure`, when there is no next attempt
    void after(int failures, IOException failure) throws IOException, InterruptedException {
        Duration retryAfter =
                failure instanceof HubBusyException busy
                        ? busy.retryAfter().orElse(Duration.ZERO)
                        : Duration.ZERO;
        if (failures >= timeouts.attempts() || retryAfter.compareTo(timeouts.maxRetryAfter()) > 0) {
            throw failure;
        }
        Duration backOff = timeouts.firstPause().multipliedBy(1L << Math.min(failures - 1, 6));
        if (retryAfter.isPositive() && isNew(System.nanoTime() + retryAfter.toNanos())) {
            terminal.say(failure.getMessage() + ": waiting");
        }
        Thread.sleep(retryAfter.compareTo(backOff) > 0 ? retryAfter : backOff);
    }

    private synchronized boolean isNew(long endNanos) {
        if (announcedEndNanos.filter(it -> endNanos - it < SAME_PAUSE_NANOS).isPresent()) {
            return false;
        }
        announcedEndNanos = Optional.of(endNanos);
        return true;
    }
}
