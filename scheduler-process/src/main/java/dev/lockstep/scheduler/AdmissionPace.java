package dev.lockstep.scheduler;

/// How fast waiting tokens are admitted, measured while somebody waits: what a deadline is judged
/// by. Old measurements fade.
final class AdmissionPace {
    private static final double FADE_NANOS = 10e9;
    private static final double LEAST_NANOS = 1e6;

    private double tokens;
    private double nanos;
    private long last;
    private boolean waited;

    /// A plan was made.
    ///
    /// @param admitted known ids of the sequences it admitted
    /// @param waiting whether somebody waits on
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

    /// How long so many tokens ahead will take; 0 while nothing is known.
    long waitNanos(long ahead) {
        return tokens <= 0 || nanos < LEAST_NANOS ? 0 : (long) (ahead * nanos / tokens);
    }
}
