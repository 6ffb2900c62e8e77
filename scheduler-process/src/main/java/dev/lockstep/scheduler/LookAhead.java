package dev.lockstep.scheduler;

/// When the next step is planned while one runs: shortly before that one is expected to end, so
/// that a request that comes meanwhile is in the next step and not in the one after it.
///
/// Short steps are planned at once, so that workers never wait. What is expected is what the
/// quickest of the last steps took for a token: rather too early than too late.
final class LookAhead {
    /// Steps that are looked back at.
    private static final int STEPS = 16;

    /// What planning and sending take, with room to spare.
    private static final long LEAST_LEAD_NANOS = 10_000_000;

    private final double[] nanosPerToken = new double[STEPS];
    private long ended;
    private long lastEndNanos;

    /// A step's result came.
    void ended(StepPlan plan, StepResult result, long nanos) {
        nanosPerToken[(int) (ended++ % STEPS)] =
                result.computeMicros() * 1000.0 / Math.max(1, plan.tokenCount());
        lastEndNanos = nanos;
    }

    /// When the step after this one, which runs, is to be planned.
    long planAt(StepPlan running) {
        long begun = Math.max(running.plannedNanos(), lastEndNanos);
        if (ended < STEPS) {
            return begun;
        }
        double quickest = nanosPerToken[0];
        for (double each : nanosPerToken) {
            quickest = Math.min(quickest, each);
        }
        long expected = (long) (quickest * running.tokenCount());
        long lead = Math.max(LEAST_LEAD_NANOS, expected / 8);
        return begun + Math.max(0, expected - lead);
    }
}
