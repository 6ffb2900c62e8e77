// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Measures how fast waiting tokens are admitted while sequences wait; deadlines are checked
/// against it. Old measurements fade.
final class AdmissionPace {
    private static final double FADE_NANOS = 10e9;
    private static final double MIN_NANOS = 1e6;

    private double tokens;
    private double nanos;
    private long last;
    private boolean waited;

    /// Records that a plan was made.
    ///
    /// @param admitted known ids of the sequences it admitted
    /// @param waiting whether sequences still wait
    void planned(long now, long admitted, boolean waiting) {
        if (waited) {
            double passed = now - last;
            double keep = Math.exp(-passed / FADE_NANOS);
            tokens = keep * tokens + admitted;
            nanos = keep * nanos + passed;
        }
        last = now;
        waited = waiting;
    }

    /// Returns the time in nanoseconds until `ahead` tokens are admitted; 0 while nothing was
    /// measured.
    long waitNanos(long ahead) {
        return tokens <= 0 || nanos < MIN_NANOS ? 0 : (long) (ahead * nanos / tokens);
    }
}
