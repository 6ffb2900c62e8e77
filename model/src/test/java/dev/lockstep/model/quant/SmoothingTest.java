// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class SmoothingTest {
    private static final float[] INPUTS = {64, 1, 0, 5, 1e20f};
    private static final float[] WEIGHTS = {0.25f, 1, 3, 0, 1};

    @Test
    void theRangeOfAChannelIsSharedByAlpha() {
        assertArrayEquals(
                new float[] {16, 1, 1, 1, 1e4f}, new Smoothing(0.5f).scales(INPUTS, WEIGHTS));
    }

    @Test
    void withOneWeightsTakeAllOfItAndWithZeroInputsDo() {
        assertEquals(64, new Smoothing(1).scales(INPUTS, WEIGHTS)[0]);
        assertEquals(4, new Smoothing(0).scales(INPUTS, WEIGHTS)[0]);
    }

    @Test
    void alphaIsFromZeroToOne() {
        assertEquals(
                "alpha of 1.5 is not in [0, 1]",
                assertThrows(IllegalArgumentException.class, () -> new Smoothing(1.5f))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> new Smoothing(Float.NaN));
    }
}
