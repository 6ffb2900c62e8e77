// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

final class GumbelTest {

    @Test
    void theLogarithmIsWithinAFewUlp() {
        var random = new Random(1);
        for (int i = 0; i < 100_000; i++) {
            double x = Math.scalb(1 + random.nextDouble(), random.nextInt(-40, 40));
            double expected = StrictMath.log(x);
            assertEquals(expected, Gumbel.logarithm(x), 4 * Math.ulp(expected), () -> "log " + x);
        }
        for (double x : new double[] {1 - 0x1p-33, 1 + 0x1p-40, 0x1p-33, 0.5, 2, Math.E}) {
            double expected = StrictMath.log(x);
            assertEquals(expected, Gumbel.logarithm(x), 4 * Math.ulp(expected));
        }
        assertEquals(0, Gumbel.logarithm(1));
    }

    @Test
    void noiseOfEveryWordIsFinite() {
        for (int word : new int[] {0, 1, -1, -2, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            double noise = Gumbel.ofWord(word);
            assertTrue(noise > -4 && noise < 24, () -> "noise " + noise);
        }
    }

    @Test
    void aTokenThatCouldWinIsNeverSkipped() {
        var random = new Random(2);
        for (int i = 0; i < 200_000; i++) {
            int word = i < 1000 ? -1 - i : random.nextInt();
            double z = -30 * random.nextDouble();
            double bestScore = 20 * random.nextDouble() - 5;
            if (z + Gumbel.ofWord(word) >= bestScore) {
                assertTrue(VectorSamplingOps.canReach(word, z, bestScore));
            }
        }
    }
}
