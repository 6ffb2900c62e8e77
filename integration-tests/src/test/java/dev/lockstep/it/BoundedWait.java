// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import dev.lockstep.cluster.LoadAwareClock;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.opentest4j.AssertionFailedError;

/// Bounded waits for a condition that another process makes true.
final class BoundedWait {

    /// Only a hang takes longer, however busy the machine is.
    static final Duration TIMEOUT = Duration.ofMinutes(10);

    /// The limit for the wall time of a wait on a [LoadAwareClock], which only a hang exceeds.
    private static final Duration MAX_WALL_TIME = Duration.ofMinutes(10);

    private static final long POLL_MILLIS = 20;

    private BoundedWait() {}

    /// Waits until `condition` holds.
    static void await(String what, Callable<Boolean> condition) throws Exception {
        find(() -> what, () -> optional(condition));
    }

    /// Waits until `question` has a result; `what` names the missing result in the failure.
    static <T> T find(Supplier<String> what, Callable<Optional<T>> question) throws Exception {
        long start = System.nanoTime();
        return find(TIMEOUT, () -> Duration.ofNanos(System.nanoTime() - start), what, question);
    }

    /// Waits until `condition` holds, until `clock` shows more than `limit`, or [#MAX_WALL_TIME]
    /// has passed.
    static void await(
            Duration limit,
            LoadAwareClock clock,
            Supplier<String> what,
            Callable<Boolean> condition)
            throws Exception {
        find(limit, clock::elapsed, what, () -> optional(condition));
    }

    private static Optional<Boolean> optional(Callable<Boolean> condition) throws Exception {
        return Optional.of(condition.call()).filter(Boolean::booleanValue);
    }

    private static <T> T find(
            Duration limit,
            Supplier<Duration> elapsed,
            Supplier<String> what,
            Callable<Optional<T>> question)
            throws Exception {
        long start = System.nanoTime();
        while (true) {
            Optional<T> answer = question.call();
            if (answer.isPresent()) {
                return answer.get();
            }
            if (elapsed.get().compareTo(limit) > 0) {
                throw new AssertionFailedError(
                        "did not happen within " + limit.toSeconds() + " s: " + what.get());
            }
            if (System.nanoTime() - start > MAX_WALL_TIME.toNanos()) {
                throw new AssertionFailedError(
                        "did not happen within %d s of wall time: %s"
                                .formatted(MAX_WALL_TIME.toSeconds(), what.get()));
            }
            Thread.sleep(POLL_MILLIS);
        }
    }
}
