package dev.lockstep.it;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.opentest4j.AssertionFailedError;

/// Waits for something that another process brings about.
final class Eventually {

    /// Long enough for a machine that builds something else at the same time, far beyond what is
    /// normal.
    static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final long POLL_MILLIS = 20;

    private Eventually() {}

    /// Waits until `condition` holds.
    static void await(String what, Duration patience, Callable<Boolean> condition)
            throws Exception {
        find(
                () -> what,
                patience,
                () -> condition.call() ? Optional.of(Boolean.TRUE) : Optional.empty());
    }

    /// Waits until `question` has an answer; `what` says what is missing.
    static <T> T find(Supplier<String> what, Duration patience, Callable<Optional<T>> question)
            throws Exception {
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            Optional<T> answer = question.call();
            if (answer.isPresent()) {
                return answer.get();
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionFailedError(
                        "did not happen within " + patience.toSeconds() + " s: " + what.get());
            }
            Thread.sleep(POLL_MILLIS);
        }
    }
}
