// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import java.util.Random;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;

/// The contract of ops over several residuals of a token, for kernels that compute them. Each is
/// compared with a plain loop, and a row has the same bits alone.
public interface ResidualContract extends KernelsContract {
    int ROWS = 5;
    int COLUMNS = 37;

    @Test
    default void rowsAreAddedWithAFactorOfEach() {
        float[] y = values(2);
        float[] factors = TestValues.normal(new Random(3), ROWS);
        requireRows(
                (x, rows) -> {
                    rows.device.kernels().addScaledRows(x, rows.of(y), rows.factors(factors));
                    return x;
                },
                (x, t) -> {
                    for (int c = 0; c < COLUMNS; c++) {
                        x[c] += (double) y[t * COLUMNS + c] * factors[t];
                    }
                    return x;
                });
    }

    @Test
    default void columnsHaveAFactorEach() {
        float[] factors = TestValues.normal(new Random(3), COLUMNS);
        requireRows(
                (x, rows) -> {
                    Kernels kernels = rows.device.kernels();
                    kernels.scaleColumns(x, kernels.prepareVector(factors));
                    return x;
                },
                (x, t) -> {
                    for (int c = 0; c < COLUMNS; c++) {
                        x[c] *= factors[c];
                    }
                    return x;
                });
    }

    @Test
    default void rowsGetTheMagnitudeOfOthers() {
        float[] like = values(4);
        for (float least : new float[] {1e-5f, 3}) {
            requireRows(
                    (x, rows) -> {
                        rows.device.kernels().matchMagnitude(x, rows.of(like), least);
                        return x;
                    },
                    (x, t) -> {
                        double wanted = 0;
                        double own = 0;
                        for (int c = 0; c < COLUMNS; c++) {
                            wanted += (double) like[t * COLUMNS + c] * like[t * COLUMNS + c];
                            own += x[c] * x[c];
                        }
                        double factor = Math.sqrt(wanted / Math.max(own, least * COLUMNS));
                        return Arrays.stream(x).map(each -> each * factor).toArray();
                    });
        }
    }

    @Test
    default void whatIsBelowSomeDeviationsBecomesZero() {
        requireRows(
                (x, rows) -> {
                    Kernels kernels = rows.device.kernels();
                    Tensor moments = rows.device.zeros(DType.F32, x.rows(), 2);
                    // Two ranks hold some of the columns each.
                    Tensor second = rows.device.zeros(DType.F32, x.rows(), 2);
                    kernels.moments(x.columns(0, 20), moments);
                    kernels.moments(x.columns(20, COLUMNS), second);
                    kernels.add(moments, second);
                    kernels.keepAbove(x, moments, COLUMNS, 0.5f);
                    return x;
                },
                (x, t) -> {
                    double mean = Arrays.stream(x).average().orElseThrow();
                    double variance =
                            Arrays.stream(x)
                                    .map(each -> (each - mean) * (each - mean))
                                    .average()
                                    .orElseThrow();
                    double cut = mean + 0.5 * Math.sqrt(variance);
                    return Arrays.stream(x).map(each -> Math.max(0, each - cut)).toArray();
                });
    }

    /// Returns values that every type of activations stores.
    private static float[] values(long seed) {
        return Rounding.of(TestValues.normal(new Random(seed), ROWS * COLUMNS), DType.BF16);
    }

    /// Some rows of what a test has, on a device.
    record Rows(TestDevice device, int from, int to) {
        Tensor of(float[] all) {
            float[] own = Arrays.copyOfRange(all, from * COLUMNS, to * COLUMNS);
            return device.activations(to - from, COLUMNS, own);
        }

        Tensor factors(float[] all) {
            return device.floats(to - from, 1, Arrays.copyOfRange(all, from, to));
        }
    }

    private void requireRows(
            BiFunction<Tensor, Rows, Tensor> op,
            BiFunction<double[], Integer, double[]> reference) {
        float[] x = values(1);
        try (TestDevice device = device()) {
            var all = new Rows(device, 0, ROWS);
            float[] together = device.floats(op.apply(all.of(x), all));
            for (int t = 0; t < ROWS; t++) {
                var one = new Rows(device, t, t + 1);
                float[] alone = device.floats(op.apply(one.of(x), one));
                float[] own = Arrays.copyOfRange(together, t * COLUMNS, (t + 1) * COLUMNS);
                assertArrayEquals(alone, own);
                double[] row = new double[COLUMNS];
                for (int c = 0; c < COLUMNS; c++) {
                    row[c] = x[t * COLUMNS + c];
                }
                double[] expected = reference.apply(row, t);
                for (int c = 0; c < COLUMNS; c++) {
                    // A few roundings of values below 16.
                    Rounding.requireClose(expected[c], own[c], 4e-6, device.activationType());
                }
            }
        }
    }
}
