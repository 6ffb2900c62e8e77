package dev.lockstep.scheduler;

import java.util.concurrent.TimeUnit;

/// How fast prompts are computed: what a request's own prompt costs it before its first token.
///
/// Only steps full of prompts count. A step of few tokens costs more for each, so the estimate is
/// never above what a short prompt takes; a pace measured on short ones would refuse long ones, and
/// nothing would be measured again. For the same reason it is forgotten after a while.
final class PrefillPace {
    /// What counts of the measurements before a step: about the last ten matter.
    private static final double KEEP = 0.9;

    private static final long FORGOTTEN_NANOS = TimeUnit.MINUTES.toNanos(1);

    private final int full;
    private double tokens;
    private double nanos;
    private long ended;
    private long measured;

    /// @param budget the most tokens of a step
    PrefillPace(int budget) {
        full = Math.ceilDiv(budget, 2);
    }

    /// A step has ended. With several in flight it began when the one before had ended.
    void ended(StepPlan plan, long now) {
        long began = Math.max(plan.plannedNanos(), ended);
        ended = now;
        int prefilled = plan.prefillCount();
        if (prefilled >= full) {
            tokens = KEEP * tokens + prefilled;
            nanos = KEEP * nanos + (now - began);
            measured = now;
        }
    }

    /// How long so many tokens of a prompt will take at least; 0 while nothing is known.
    long prefillNanos(long prompt, long now) {
        boolean known = tokens > 0 && now - measured < FORGOTTEN_NANOS;
        return known ? (long) (prompt * nanos / tokens) : 0;
    }
}
