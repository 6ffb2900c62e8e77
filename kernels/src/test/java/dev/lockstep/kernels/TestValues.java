// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Random;

/// Random values for tests.
public final class TestValues {
    private TestValues() {}

    public static float[] normal(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /// Returns whole numbers below `limit`, of which many are equal.
    static float[] whole(Random random, int count, int limit) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextInt(limit);
        }
        return values;
    }
}
