// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.proto.v1.StepResult;
import java.util.Arrays;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/// Three ranks.
final class SlowRankTest {
    private final SlowRank slow = new SlowRank(3);
    private long millis;
    private int changes;

    /// @param own milliseconds that each rank computes, while the others wait
    private void step(long... own) {
        long whole = Arrays.stream(own).max().orElseThrow();
        for (int rank = 0; rank < own.length; rank++) {
            slow.answered(rank, measured(whole, whole - own[rank]));
        }
        millis += whole;
        changes += slow.completed(1_000_000 * millis) ? 1 : 0;
    }

    private void steps(int seconds, long... own) {
        long end = millis + 1000L * seconds;
        while (millis < end) {
            step(own);
        }
    }

    @Test
    void aRankAtAFifthOfItsSpeedIsNamedWithinSecondsAndUntilItIsFastAgain() {
        steps(3, 10, 10, 10);
        steps(SlowRank.IN_A_ROW + 2, 10, 50, 10);
        assertEquals(OptionalInt.of(1), slow.rank());
        steps(20, 10, 50, 12);
        steps(2, 10, 11, 10);
        assertEquals(OptionalInt.of(1), slow.rank());
        assertEquals(1, changes, "it is said once");
        steps(SlowRank.IN_A_ROW + 1, 10, 11, 10);
        assertEquals(OptionalInt.empty(), slow.rank());
        assertEquals(2, changes);
    }

    /// It measures less than the others, and waits for them too once it has begun.
    @Test
    void aRankThatBeginsLateIsNamed() {
        while (millis < 12_000) {
            slow.answered(0, measured(100, 96));
            slow.answered(1, measured(8, 5));
            slow.answered(2, measured(100, 97));
            millis += 100;
            slow.completed(1_000_000 * millis);
        }
        assertEquals(OptionalInt.of(1), slow.rank());
    }

    private static StepResult measured(long compute, long waited) {
        return StepResult.newBuilder()
                .setComputeMicros(1000 * compute)
                .setWaitedMicros(1000 * waited)
                .build();
    }

    @Test
    void slowStepsAreEnough() {
        for (int i = 0; i < 10; i++) {
            step(250, 250, 1250);
        }
        assertEquals(OptionalInt.of(2), slow.rank());
    }

    @Test
    void aRankWithTwiceTheWorkIsNotSlow() {
        steps(60, 10, 20, 10);
        assertEquals(OptionalInt.empty(), slow.rank());
    }

    @Test
    void pausesNameNoRank() {
        for (int i = 0; i < 20; i++) {
            steps(2, 10, 10, 10);
            step(10, 8000, 10);
            step(10, 10, 900);
            step(700, 10, 10);
        }
        assertEquals(OptionalInt.empty(), slow.rank());
    }

    @Test
    void twoSlowRanksOfThreeAreNotTold() {
        steps(60, 10, 50, 50);
        assertEquals(OptionalInt.empty(), slow.rank());
    }

    @Test
    void ranksThatDoNotMeasureAreNotTold() {
        for (int i = 0; i < 100; i++) {
            for (int rank = 0; rank < 3; rank++) {
                slow.answered(rank, StepResult.newBuilder().setComputeMicros(1_000_000).build());
            }
            slow.completed(1_000_000_000L * i);
        }
        assertEquals(OptionalInt.empty(), slow.rank());
    }
}
