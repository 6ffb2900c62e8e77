// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;

/// The mean bytes of a step on the wire, over the last interval; 0 when no step ran in it. Confined
/// to one thread.
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

    /// Reads the counters of a status.
    ///
    /// @return the current bytes per step
    double update(GroupStatus status) {
        // Counters restart with a scheduler.
        boolean restarted = status.getSteps() < steps || status.getStepBytes() < bytes;
        boolean due = clock.nanoTime() - sinceNanos >= INTERVAL.toNanos();
        if (due || restarted) {
            long ran = status.getSteps() - steps;
            perStep = ran <= 0 || restarted ? 0 : (double) (status.getStepBytes() - bytes) / ran;
            steps = status.getSteps();
            bytes = status.getStepBytes();
            sinceNanos = clock.nanoTime();
        }
        return perStep;
    }
}
