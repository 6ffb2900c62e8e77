package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.Terminal;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// The time between two attempts: what a busy host asks for, or more each time. Safe for any number
/// of threads.
final class HubPause {
    // Downloads at the same time are told the same: one line is enough.
    private static final long ALIKE_NANOS = 1_000_000_000;

    private final HubConfig.Timeouts timeouts;
    private final Terminal terminal;
    private Optional<Long> announcedEndNanos = Optional.empty();

    HubPause(HubConfig.Timeouts timeouts, Terminal terminal) {
        this.timeouts = timeouts;
        this.terminal = terminal;
    }

    /// The question whose answer may need more than one attempt.
    interface Question<T> {
        T ask() throws IOException, InterruptedException;
    }

    /// Asks until there is an answer or timeouts ends.
    <T> T persist(Question<T> question) throws IOException, InterruptedException {
        for (int failures = 1; ; failures++) {
            try {
                return question.ask();
            } catch (IOException e) {
                after(failures, e);
            }
        }
    }

    /// Waits before the next attempt.
    ///
    /// @param failures until now, without progress
    /// @throws IOException the last failure, where there is no next attempt
    void after(int failures, IOException failure) throws IOException, InterruptedException {
        Duration asked =
                failure instanceof HubBusyException busy
                        ? busy.asked().orElse(Duration.ZERO)
                        : Duration.ZERO;
        if (failures >= timeouts.attempts() || asked.compareTo(timeouts.longestAsked()) > 0) {
            throw failure;
        }
        Duration usual = timeouts.firstPause().multipliedBy(1L << Math.min(failures - 1, 6));
        if (asked.isPositive() && isNews(System.nanoTime() + asked.toNanos())) {
            terminal.say(failure.getMessage() + ": waiting");
        }
        Thread.sleep(asked.compareTo(usual) > 0 ? asked : usual);
    }

    private synchronized boolean isNews(long endNanos) {
        if (announcedEndNanos.filter(it -> endNanos - it < ALIKE_NANOS).isPresent()) {
            return false;
        }
        announcedEndNanos = Optional.of(endNanos);
        return true;
    }
}
