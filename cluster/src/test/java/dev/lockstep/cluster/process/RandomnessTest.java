// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class RandomnessTest {
    private static final int THREADS = 2_000;
    private static final int DRAWS = 50;

    @Test
    void aThreadNeverWaitsForOthersThatDraw() throws Exception {
        Randomness randomness = Randomness.secure();
        Set<Long> drawn = ConcurrentHashMap.newKeySet();
        var own = new long[THREADS * DRAWS];
        long waited;
        try (ExecutorService others = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < THREADS; i++) {
                var _ =
                        others.submit(
                                () -> {
                                    for (int j = 0; j < DRAWS; j++) {
                                        drawn.add(randomness.nextLong());
                                    }
                                });
            }
            waited = waits();
            for (int i = 0; i < own.length; i++) {
                own[i] = randomness.nextLong();
            }
            waited = waits() - waited;
        }
        assertEquals(0, waited);
        LongStream.of(own).forEach(drawn::add);
        assertEquals(2 * THREADS * DRAWS, drawn.size());
    }

    /// Returns how often this thread waited for a monitor or for another condition.
    private static long waits() {
        ThreadInfo info =
                ManagementFactory.getThreadMXBean()
                        .getThreadInfo(Thread.currentThread().threadId());
        return info.getBlockedCount() + info.getWaitedCount();
    }

    @Test
    void bitsAreEvenAndDifferInEverySource() {
        Randomness first = Randomness.secure();
        Randomness second = Randomness.secure();
        var ones = new int[Long.SIZE];
        int draws = 10_000;
        for (int i = 0; i < draws; i++) {
            long bits = first.nextLong();
            assertNotEquals(bits, second.nextLong());
            for (int bit = 0; bit < Long.SIZE; bit++) {
                ones[bit] += (int) (bits >>> bit & 1);
            }
        }
        for (int bit = 0; bit < Long.SIZE; bit++) {
            // Ten standard deviations.
            int distance = Math.abs(ones[bit] - draws / 2);
            assertTrue(distance <= 500, "bit " + bit + ": " + ones[bit]);
        }
    }

    @Test
    void aSeedRepeatsItsBits() {
        assertEquals(Randomness.seeded(7).nextLong(), Randomness.seeded(7).nextLong());
        assertNotEquals(Randomness.seeded(7).nextLong(), Randomness.seeded(8).nextLong());
    }
}
