// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.VirtualClock;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class StepBytesTest {
    private final VirtualClock clock = new VirtualClock();
    private final StepBytes stepBytes = new StepBytes(clock);

    private double after(int seconds, long steps, long bytes) {
        clock.advance(Duration.ofSeconds(seconds));
        return stepBytes.update(
                GroupStatus.newBuilder().setSteps(steps).setStepBytes(bytes).build());
    }

    @Test
    void theMeanIsOfTheLastInterval() {
        assertEquals(0, after(0, 0, 0));
        assertEquals(0, after(4, 10, 1000));
        assertEquals(100, after(1, 20, 2000));
        assertEquals(100, after(3, 30, 10_000));
        assertEquals(500, after(2, 40, 12_000));
    }

    @Test
    void withoutStepsTheMeanIsZero() {
        assertEquals(100, after(5, 20, 2000));
        assertEquals(0, after(5, 20, 2000));
    }

    @Test
    void restartedCountersGiveZeroUntilTheNextInterval() {
        assertEquals(100, after(5, 20, 2000));
        assertEquals(0, after(1, 5, 100));
        assertEquals(60, after(5, 10, 400));
    }
}
