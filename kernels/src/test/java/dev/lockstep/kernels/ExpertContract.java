// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The contract of expert routing and of adding expert outputs.
public interface ExpertContract extends KernelsContract {
    int EXPERTS = 7;

    @Test
    default void aTokenIsRoutedToItsMostLikelyExperts() {
        float[] logits = TestValues.normal(new Random(1), 20 * EXPERTS);
        for (boolean renormalized : new boolean[] {true, false}) {
            try (TestDevice device = device()) {
                ExpertRouting routing =
                        device.kernels().route(device.floats(20, EXPERTS, logits), 3, renormalized);
                assertEquals(EXPERTS, routing.experts());
                float[][] shares = shares(device, routing, 20);
                for (int t = 0; t < 20; t++) {
                    double[] expected = expected(logits, t, 3, renormalized);
                    for (int e = 0; e < EXPERTS; e++) {
                        // An exponential of 2 ulp, a sum of 7 and two quotients.
                        assertEquals(expected[e], shares[t][e], 1e-6);
                    }
                }
            }
        }
    }

    @Test
    default void tiedExpertsAreChosenInAscendingOrder() {
        try (TestDevice device = device()) {
            ExpertRouting routing = device.kernels().route(device.zeros(DType.F32, 2, 4), 2, true);
            for (int e = 0; e < 4; e++) {
                assertArrayEquals(
                        e < 2 ? new int[] {0, 1} : new int[0], device.ints(routing.rows(e)));
            }
            assertThrows(
                    IllegalArgumentException.class,
                    () -> device.kernels().route(device.zeros(DType.F32, 2, 4), 5, true));
        }
    }

    @Test
    default void aTokenWithANanIsRoutedToDifferentExpertsAndChangesNoOtherToken() {
        try (TestDevice device = device()) {
            for (float odd : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                Tensor logits = device.floats(2, 4, 1, odd, 0, 3, 0, 1, 5, 4);
                ExpertRouting routing = device.kernels().route(logits, 2, true);
                int[][] rows = {{0}, {0}, {1}, {1}};
                for (int e = 0; e < 4; e++) {
                    assertArrayEquals(rows[e], device.ints(routing.rows(e)));
                    assertEquals(e < 2, Float.isNaN(device.floats(routing.weights(e))[0]));
                }
            }
        }
    }

    @Test
    default void aTokenIsRoutedWithTheSameBitsInAnyBatch() {
        float[] logits = TestValues.normal(new Random(2), 9 * EXPERTS);
        try (TestDevice device = device()) {
            float[][] all =
                    shares(
                            device,
                            device.kernels().route(device.floats(9, EXPERTS, logits), 2, true),
                            9);
            for (int t = 0; t < 9; t++) {
                float[] own = Arrays.copyOfRange(logits, t * EXPERTS, (t + 1) * EXPERTS);
                ExpertRouting alone =
                        device.kernels().route(device.floats(1, EXPERTS, own), 2, true);
                assertArrayEquals(all[t], shares(device, alone, 1)[0]);
            }
        }
    }

    @Test
    default void weightedRowsAreAddedToTheirTargetRows() {
        try (TestDevice device = device()) {
            Tensor out = device.floats(3, 2, 1, 1, 2, 2, 3, 3);
            device.kernels()
                    .addWeightedRows(
                            device.floats(2, 2, 10, 20, 30, 40),
                            device.ints(1, 2, 2, 0),
                            device.floats(1, 2, 0.5f, 2),
                            out);
            assertArrayEquals(new float[] {61, 81, 2, 2, 8, 13}, device.floats(out));
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                            device.kernels()
                                    .addWeightedRows(
                                            device.zeros(DType.F32, 1, 2),
                                            device.ints(1, 1, 3),
                                            device.zeros(DType.F32, 1, 1),
                                            out));
        }
    }

    /// Returns `[tokens][experts]` weights, 0 where a token is not routed to an expert.
    private static float[][] shares(TestDevice device, ExpertRouting routing, int tokens) {
        float[][] shares = new float[tokens][EXPERTS];
        for (int e = 0; e < routing.experts(); e++) {
            int[] rows = device.ints(routing.rows(e));
            float[] weights = device.floats(routing.weights(e));
            for (int i = 0; i < rows.length; i++) {
                shares[rows[i]][e] += weights[i];
            }
        }
        return shares;
    }

    private static double[] expected(float[] logits, int t, int count, boolean renormalized) {
        double[] shares = new double[EXPERTS];
        double sum = 0;
        for (int e = 0; e < EXPERTS; e++) {
            shares[e] = Math.exp(logits[t * EXPERTS + e]);
            sum += shares[e];
        }
        double[] sorted = shares.clone();
        Arrays.sort(sorted);
        double threshold = sorted[EXPERTS - count];
        double kept = 0;
        for (int e = 0; e < EXPERTS; e++) {
            shares[e] = shares[e] >= threshold ? shares[e] : 0;
            kept += shares[e];
        }
        for (int e = 0; e < EXPERTS; e++) {
            shares[e] /= renormalized ? kept : sum;
        }
        return shares;
    }
}
