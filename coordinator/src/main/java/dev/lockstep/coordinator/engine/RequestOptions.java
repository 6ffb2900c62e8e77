package dev.lockstep.coordinator.engine;

import java.util.OptionalLong;

/// What a request asks of scheduling and caching, beside its tokens; every value checked by
/// `TermsFields`.
///
/// @param tenant whom fairness counts it to, and whose cached blocks it may find; may be empty
/// @param priority higher goes first where the waiting order heeds it
/// @param guaranteed is never preempted once it runs
/// @param deadlineNanos on the coordinator's clock; empty: none
/// @param cacheSalt requests of different salts share no cached block
/// @param cachePriority of its blocks once they are free, 1 to 100; 0 is the scheduler's default
/// @param cacheTtlMillis how long that priority counts; 0 is without end
public record RequestOptions(
        String tenant,
        int priority,
        boolean guaranteed,
        OptionalLong deadlineNanos,
        String cacheSalt,
        int cachePriority,
        long cacheTtlMillis) {

    static final RequestOptions NONE =
            new RequestOptions("", 0, false, OptionalLong.empty(), "", 0, 0);

    public boolean isExpired(long nowNanos) {
        return deadlineNanos.isPresent() && deadlineNanos.getAsLong() - nowNanos <= 0;
    }

    /// Milliseconds left, at least 1; 0 where there is no deadline.
    long millisLeft(long nowNanos) {
        return deadlineNanos.isPresent()
                ? Math.max(1, (deadlineNanos.getAsLong() - nowNanos) / 1_000_000)
                : 0;
    }
}
