// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.RopeConfig;
import dev.lockstep.checkpoint.RopeScaling;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RotaryFrequenciesTest {
    private static final int SIZE = 8;

    @Test
    void aDynamicBaseGrowsWithTheLengthThatIsServed() {
        var dynamic = new RopeScaling.Dynamic(2, 128);
        assertArrayEquals(plain(10_000), frequencies(dynamic, 128).inverse(), 1e-12);
        double base = 10_000 * Math.pow(2.0 * 256 / 128 - 1, SIZE / (SIZE - 2.0));
        assertArrayEquals(plain(base), frequencies(dynamic, 256).inverse(), 1e-12);
    }

    @Test
    void aProportionalRopeRotatesTheFirstPairsAsInAWholeHead() {
        double[] plain = plain(10_000);
        assertArrayEquals(
                new double[] {plain[0] / 2, 0, 0, 0},
                frequencies(new RopeScaling.Proportional(1, 2), 100).inverse(),
                1e-15);
    }

    @Test
    void divisorsComeOnTopOfAnotherScaling() {
        List<Double> factors = List.of(1.0, 2.0, 3.0, 8.0);
        var linear = new RopeScaling.Divisors(factors, new RopeScaling.Linear(4));
        double[] plain = plain(10_000);
        assertArrayEquals(
                IntStream.range(0, 4).mapToDouble(i -> plain[i] / 4 / factors.get(i)).toArray(),
                frequencies(linear, 100).inverse(),
                1e-15);
        var yarn =
                new RopeScaling.Yarn(
                        4,
                        64,
                        32,
                        1,
                        OptionalDouble.empty(),
                        OptionalDouble.empty(),
                        OptionalDouble.empty(),
                        true);
        RotaryFrequencies alone = frequencies(yarn, 100);
        RotaryFrequencies both = frequencies(new RopeScaling.Divisors(factors, yarn), 100);
        assertEquals(alone.attentionFactor(), both.attentionFactor());
        assertEquals(alone.inverse()[3] / 8, both.inverse()[3], 1e-15);
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        frequencies(
                                new RopeScaling.Divisors(List.of(1.0), new RopeScaling.None()), 1));
    }

    private static RotaryFrequencies frequencies(RopeScaling scaling, int positions) {
        return RotaryFrequencies.of(new RopeConfig(10_000, SIZE, scaling), positions);
    }

    private static double[] plain(double theta) {
        return IntStream.range(0, SIZE / 2)
                .mapToDouble(i -> Math.pow(theta, -2.0 * i / SIZE))
                .toArray();
    }
}
