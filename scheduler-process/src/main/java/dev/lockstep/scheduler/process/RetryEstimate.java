// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import java.time.Duration;

/// Estimates when another attempt at a full queue is useful: when half of it has left at the pace
/// at which sequences finished lately. Half, so that clients do not all return at once to an empty
/// one.
final class RetryEstimate {
    private static final Duration MIN = Duration.ofSeconds(1);
    private static final Duration MAX = Duration.ofSeconds(30);
    // Weight of old intervals in the mean, so that about ten sequences count.
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

    /// Limits an estimate: a short one would make all clients return at once, and after a long one
    /// no client would return.
    Duration within(Duration wait) {
        return wait.compareTo(MIN) < 0 ? MIN : wait.compareTo(MAX) > 0 ? MAX : wait;
    }
}
