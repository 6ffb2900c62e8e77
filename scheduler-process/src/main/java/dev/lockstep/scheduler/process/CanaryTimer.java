// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import java.time.Duration;

/// When an idle group runs its next canary step, and how many were right.
///
/// Owned by the step loop's thread.
final class CanaryTimer {
    private final long intervalNanos;
    private long lastNanos;
    private long earlier;

    /// @param interval time without a step; zero for no canary steps
    CanaryTimer(Duration interval) {
        this.intervalNanos = interval.toNanos();
    }

    /// Notes that the group works, or has just begun.
    void worked(long nanos) {
        lastNanos = nanos;
    }

    /// Sends a canary step when the group has been idle long enough. Called once a second while no
    /// request is known.
    void idle(WorkerGroup group, long nanos) {
        if (intervalNanos > 0 && nanos - lastNanos >= intervalNanos && group.sendCanary()) {
            lastNanos = nanos;
        }
    }

    void lost(WorkerGroup group) {
        earlier += group.goodCanaries();
    }

    /// Returns the number of canary steps of all epochs that found what is known.
    long good(Epoch current) {
        return earlier + current.group().workers().goodCanaries();
    }

    long good() {
        return earlier;
    }
}
