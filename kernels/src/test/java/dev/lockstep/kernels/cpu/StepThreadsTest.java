// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.SplittableRandom;
import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.Test;

final class StepThreadsTest {
    private static final int ROUNDS = 40_000;
    private static final long SECOND = 1_000_000_000;

    private final SplittableRandom random = new SplittableRandom(7);
    private long clock = -SECOND;

    @Test
    void theNumberWithTheShorterStepsServes() {
        var threads = new StepThreads(2);
        assertTrue(shareOf(1, threads, 1, n -> n == 1 ? 2_600 : 3_400) > 0.97);
        assertTrue(shareOf(2, threads, 16, n -> n == 1 ? 24_000 : 17_000) > 0.97);
        assertTrue(shareOf(1, threads, 1, n -> n == 1 ? 2_600 : 3_400) > 0.99, "it is kept");
    }

    @Test
    void allThreadsServeWhereOneLessIsAsFast() {
        assertTrue(shareOf(8, new StepThreads(8), 1, _ -> 5_000) > 0.97);
    }

    @Test
    void aTrialEndsEarlyWhereOneLessTakesTwiceAsLong() {
        var threads = new StepThreads(2);
        int spared = 0;
        for (int i = 0; i < StepThreads.FIRST_PAUSE + 2 * StepThreads.TRIAL; i++) {
            spared += step(threads, 16, n -> 60_000 / n) == 1 ? 1 : 0;
        }
        assertEquals(StepThreads.FEW, spared);
    }

    @Test
    void anotherChoiceIsFoundWhenTheHostHasChanged() {
        var threads = new StepThreads(4);
        shareOf(3, threads, 2, n -> n == 3 ? 2_000 : 3_000);
        shareOf(4, threads, 2, n -> n == 4 ? 2_000 : 3_000);
        assertTrue(shareOf(4, threads, 2, n -> n == 4 ? 2_000 : 3_000) > 0.97);
    }

    /// The time until the next request may be shorter after any number of threads.
    @Test
    void stepsThatWaitedForRequestsHaveAllThreads() {
        var threads = new StepThreads(2);
        shareOf(1, threads, 1, n -> n == 1 ? 2_600 : 3_400);
        for (int i = 0; i < ROUNDS; i++) {
            clock += random.nextLong(4_000_000, SECOND);
            assertEquals(2, step(threads, 1, _ -> 3_000));
        }
        assertTrue(shareOf(1, threads, 1, n -> n == 1 ? 2_600 : 3_400) > 0.97, "it is kept");
    }

    @Test
    void stepsBetweenThoseOfASizeCountForThemselves() {
        var threads = new StepThreads(2);
        int spared = 0;
        for (int i = 0; i < ROUNDS; i++) {
            assertEquals(2, step(threads, 512, _ -> 300_000));
            spared += step(threads, 1, n -> n == 1 ? 2_600 : 3_400) == 1 ? 1 : 0;
        }
        assertTrue(spared > 0.97 * ROUNDS, () -> "of " + ROUNDS);
    }

    @Test
    void oneThreadAndLargeOrEmptyStepsHaveNoChoice() {
        assertEquals(ROUNDS, shareOf(1, new StepThreads(1), 1, _ -> 1) * ROUNDS);
        var threads = new StepThreads(2);
        for (int tokens : new int[] {0, StepThreads.MOST_TOKENS + 1, Integer.MAX_VALUE}) {
            assertEquals(ROUNDS, shareOf(2, threads, tokens, n -> n) * ROUNDS);
        }
    }

    @Test
    void nothingIsAllocated() {
        var threads = new StepThreads(2);
        IntToLongFunction times = n -> n == 1 ? 2_600 : 3_400;
        shareOf(1, threads, 1, times);
        var beans = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = beans.getCurrentThreadAllocatedBytes();
        shareOf(1, threads, 1, times);
        long bytes = beans.getCurrentThreadAllocatedBytes() - before;
        assertTrue(bytes < ROUNDS, () -> bytes + " bytes");
    }

    /// Returns the share of steps that `expected` threads computed.
    private double shareOf(
            int expected, StepThreads threads, int tokens, IntToLongFunction micros) {
        int matches = 0;
        for (int i = 0; i < ROUNDS; i++) {
            matches += step(threads, tokens, micros) == expected ? 1 : 0;
        }
        return (double) matches / ROUNDS;
    }

    /// Runs a step that takes that long, give or take a tenth, with the threads chosen for it.
    private int step(StepThreads threads, int tokens, IntToLongFunction micros) {
        int chosen = threads.begin(tokens, clock);
        clock += micros.applyAsLong(chosen) * random.nextInt(900, 1_101);
        threads.end(clock);
        clock += 50_000;
        return chosen;
    }
}
