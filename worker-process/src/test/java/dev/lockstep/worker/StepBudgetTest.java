// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class StepBudgetTest {
    private static final long MILLI = 1_000_000;
    private static final Duration GOAL = Duration.ofMillis(250);

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
