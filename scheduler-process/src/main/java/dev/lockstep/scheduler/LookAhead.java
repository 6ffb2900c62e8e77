// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Decides when the next step is planned while one runs: shortly before that one is expected to
/// end, so that a request that arrives in between is in the next step and not in the one after it.
///
/// After a short step the next one is planned at once, so that workers never wait. The expected
/// time is the cost of the step's tokens times the time per cost of the fastest recent step: rather
/// too early than too late.
final class LookAhead {
    /// Number of recent steps that are considered.
    private static final int STEPS = 16;

    /// Time for planning and sending, with a margin.
    private static final long MIN_LEAD_NANOS = 10_000_000;

    private final StepTime stepTime;
    private final double[] nanosPerCost = new double[STEPS];
    private long ended;
    private long lastEndNanos;

    LookAhead(StepTime stepTime) {
        this.stepTime = stepTime;
    }

    /// Records the result of a step.
    void ended(StepPlan plan, StepResult result, long nanos) {
        nanosPerCost[(int) (ended++ % STEPS)] =
                result.computeMicros() * 1000.0 / Math.max(1, stepTime.cost(plan));
        lastEndNanos = nanos;
    }

    /// Returns the time to plan the step after `running`, in nanoseconds.
    long planAt(StepPlan running) {
        long begun = Math.max(running.plannedNanos(), lastEndNanos);
        if (ended < STEPS) {
            return begun;
        }
        double fastest = nanosPerCost[0];
        for (double each : nanosPerCost) {
            fastest = Math.min(fastest, each);
        }
        long expected = (long) (fastest * stepTime.cost(running));
        long lead = Math.max(MIN_LEAD_NANOS, expected / 8);
        return begun + Math.max(0, expected - lead);
    }
}
