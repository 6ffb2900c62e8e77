// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.concurrent.TimeUnit;

/// Measures how fast prompts are computed, which gives the time that prompts take before the first
/// token of a request: those before it, and its own.
///
/// Only steps in which prefills fill at least half of the budget count. A step of few tokens costs
/// more per token, so the estimate is never above what a short prompt takes; a pace measured on
/// short prompts would refuse long ones, and would never be measured again. For the same reason it
/// expires after a while. The fastest of the recent steps counts, as in [StepTime]: a pause of the
/// machine changes nothing.
final class PrefillPace {
    private static final long EXPIRY_NANOS = TimeUnit.MINUTES.toNanos(1);

    private final StepTime stepTime;
    private final double[] nanosPerCost = new double[StepTime.WINDOW];
    private int measurements;
    private double fastest;
    private long ended;
    private long measured;

    PrefillPace(StepTime stepTime) {
        this.stepTime = stepTime;
    }

    /// Records that a step has ended. With several in flight, it began when the preceding one
    /// ended. It took at least the time of its worker: two results may arrive together.
    ///
    /// @param computeMicros 0 if it is unknown
    void ended(StepPlan plan, long now, long computeMicros) {
        long began = Math.max(plan.plannedNanos(), ended);
        long nanos = Math.max(now - began, TimeUnit.MICROSECONDS.toNanos(computeMicros));
        ended = now;
        double prefills = plan.prefillCount() == 0 ? 0 : stepTime.prefillCost(plan);
        if (prefills > 0 && prefills >= stepTime.cost(0, stepTime.tokens()) / 2) {
            nanosPerCost[measurements++ % nanosPerCost.length] = nanos / prefills;
            fastest = Double.MAX_VALUE;
            for (int i = 0; i < Math.min(measurements, nanosPerCost.length); i++) {
                fastest = Math.min(fastest, nanosPerCost[i]);
            }
            measured = now;
        }
    }

    /// Returns the minimum time of a prompt in nanoseconds; 0 while nothing was measured.
    ///
    /// @param prompt its cost, as [StepTime#cost] counts it
    long prefillNanos(double prompt, long now) {
        return (long) (prompt * measuredNanosPerCost(now));
    }

    /// Returns the time of the prompts that go before another; 0 if nothing is known. While no step
    /// was measured lately, what a step was found to have room for says it: one that is not exact
    /// refuses nothing once the queue has become short.
    long queueNanos(double prompts, long now) {
        double each = measuredNanosPerCost(now);
        return (long) (prompts * (each > 0 ? each : stepTime.nanosPerCost()));
    }

    private double measuredNanosPerCost(long now) {
        return measurements > 0 && now - measured < EXPIRY_NANOS ? fastest : 0;
    }
}
