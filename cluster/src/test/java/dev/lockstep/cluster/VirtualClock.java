// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.Clock;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/// The clock of simulations and tests: its time moves only through [#advance].
public final class VirtualClock implements Clock {

    private final AtomicLong nanos = new AtomicLong();

    @Override
    public long nanoTime() {
        return nanos.get();
    }

    public void advance(Duration step) {
        if (step.isNegative()) {
            throw new IllegalArgumentException("time cannot go back by " + step);
        }
        nanos.addAndGet(step.toNanos());
    }
}
