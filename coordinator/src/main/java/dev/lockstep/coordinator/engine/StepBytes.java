package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;

/// What a step takes on the wire on average, over the last seconds in which steps ran; belongs to
/// one thread.
final class StepBytes {
    /// Long enough to smooth a heartbeat's jitter, short enough to see a change.
    private static final Duration INTERVAL = Duration.ofSeconds(5);

    private final Clock clock;
    private long sinceNanos;
    private long steps;
    private long bytes;
    private double perStep;

    StepBytes(Clock clock) {
        this.clock = clock;
        this.sinceNanos = clock.nanoTime();
    }

    /// Takes the counters of a status.
    ///
    /// @return bytes per step as of now
    double heard(GroupStatus status) {
        // Counters begin anew with a scheduler.
        boolean anew = status.getSteps() < steps || status.getStepBytes() < bytes;
        boolean due = clock.nanoTime() - sinceNanos >= INTERVAL.toNanos();
        if (due || anew) {
            long ran = status.getSteps() - steps;
            perStep = ran <= 0 || anew ? 0 : (double) (status.getStepBytes() - bytes) / ran;
            steps = status.getSteps();
            bytes = status.getStepBytes();
            sinceNanos = clock.nanoTime();
        }
        return perStep;
    }
}
