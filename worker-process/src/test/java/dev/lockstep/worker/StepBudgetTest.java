// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class StepBudgetTest {
    private static final long MILLI = 1_000_000;
    private static final Duration GOAL = Duration.ofMillis(250);

    /// A first run that was slow ends the doubling, whose chunk may then be a short one.
    @Test
    void aShortChunkCountsForAllTokensOfTheGoal() {
        assertEquals(1600, WarmUp.budget(GOAL, 64, 10 * MILLI, 0, 8192));
        assertEquals(300, WarmUp.budget(GOAL, 64, 10 * MILLI, 0, 300));
    }

    @Test
    void aBudgetIsNeitherBelowTheMeasuredChunkNorAboveTheLimit() {
        assertEquals(64, WarmUp.budget(GOAL, 64, 1000 * MILLI, 0, 8192));
        assertEquals(64, WarmUp.budget(GOAL, 64, 10 * MILLI, 0, 64));
        for (int doublingPosition : new int[] {0, 1, 1000, Integer.MAX_VALUE}) {
            assertEquals(
                    Integer.MAX_VALUE,
                    WarmUp.budget(
                            Duration.ofDays(36_500),
                            1 << 30,
                            1,
                            doublingPosition,
                            Integer.MAX_VALUE),
                    "doubling position " + doublingPosition);
        }
    }

    @Test
    void withoutAttentionTimeIsInProportionToTokens() {
        assertEquals(500, WarmUp.within(GOAL, 200, 100 * MILLI, 0));
    }

    @Test
    void aStepOfTheBudgetTakesTheGoal() {
        int d = 1040;
        int tokens = WarmUp.within(GOAL, 256, 138 * MILLI, d);
        double nanos = 138e6 * cost(tokens, d) / cost(256, d);
        // Tokens are integers: one of about 430 is less than 1/400.
        assertEquals(250e6, nanos, 250e6 / 400);
    }

    private static double cost(int tokens, double d) {
        return tokens * (1 + tokens / (2 * d));
    }
}
