// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The steps of a response that is being generated, for clients that follow it. Safe for any
/// thread.
final class ResponseLog {
    private final List<ResponseStep> steps = new ArrayList<>();
    private boolean ended;

    synchronized void add(ResponseStep step) {
        steps.add(step);
        notifyAll();
    }

    /// Adds the last step.
    synchronized void end(ResponseStep last) {
        ended = true;
        add(last);
    }

    /// Returns a step; waits for it if the response has not come so far.
    ///
    /// @return empty when there is none within the time-out, or at all
    synchronized Optional<ResponseStep> await(int index, Duration timeout)
            throws InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        for (long left = timeout.toMillis(); index >= steps.size() && !ended && left > 0; ) {
            wait(left);
            left = (deadline - System.nanoTime()) / 1_000_000;
        }
        return index < steps.size() ? Optional.of(steps.get(index)) : Optional.empty();
    }

    /// Returns whether there are as many steps and no more.
    synchronized boolean isWhole(int count) {
        return ended && count >= steps.size();
    }
}
