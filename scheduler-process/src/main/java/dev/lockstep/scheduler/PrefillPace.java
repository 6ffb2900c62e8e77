// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.concurrent.TimeUnit;

/// Measures how fast prompts are computed, which gives the time that a request's own prompt takes
/// before its first token.
///
/// Only steps in which prefills fill at least half of the budget count. A step of few tokens costs
/// more per token, so the estimate is never above what a short prompt takes; a pace measured on
/// short prompts would refuse long ones, and would never be measured again. For the same reason it
/// expires after a while.
final class PrefillPace {
    /// Weight of the measurements before a step: about the last ten count.
    private static final double KEEP = 0.9;

    private static final long EXPIRY_NANOS = TimeUnit.MINUTES.toNanos(1);

    private double tokens;
    private double nanos;
    private long ended;
    private long measured;

    /// Records that a step has ended. With several in flight, it began when the preceding one
    /// ended.
    ///
    /// @param budget tokens that a step may have
    void ended(StepPlan plan, int budget, long now) {
        long began = Math.max(plan.plannedNanos(), ended);
        ended = now;
        int prefilled = plan.prefillCount();
        if (prefilled >= Math.ceilDiv(budget, 2)) {
            tokens = KEEP * tokens + prefilled;
            nanos = KEEP * nanos + (now - began);
            measured = now;
        }
    }

    /// Returns the minimum time of `prompt` prompt tokens in nanoseconds; 0 while nothing was
    /// measured.
    long prefillNanos(long prompt, long now) {
        boolean known = tokens > 0 && now - measured < EXPIRY_NANOS;
        return known ? (long) (prompt * nanos / tokens) : 0;
    }
}
