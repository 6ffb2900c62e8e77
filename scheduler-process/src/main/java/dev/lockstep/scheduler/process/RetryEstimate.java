package dev.lockstep.scheduler.process;

import java.time.Duration;

/// Guesses when a full queue is worth another try: when half of it has left at the pace sequences
/// finished lately. Half, so that not everybody comes back to an empty one at once.
final class RetryEstimate {
    private static final Duration LEAST = Duration.ofSeconds(1);
    private static final Duration MOST = Duration.ofSeconds(30);
    // Old intervals count for 7/8 of the mean: some ten sequences of memory.
    private static final double KEEP = 0.875;

    private long lastNanos;
    private double meanNanos;
    private boolean first = true;

    void finished(long nanos) {
        if (!first) {
            meanNanos = KEEP * meanNanos + (1 - KEEP) * (nanos - lastNanos);
        }
        first = false;
        lastNanos = nanos;
    }

    Duration estimate(int waiting) {
        return within(Duration.ofNanos((long) (meanNanos * waiting / 2)));
    }

    /// A guess, neither so short that all come back at once nor so long that nobody does.
    Duration within(Duration guess) {
        return guess.compareTo(LEAST) < 0 ? LEAST : guess.compareTo(MOST) > 0 ? MOST : guess;
    }
}
