// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.util.stream.IntStream;

/// Passes the error of each quantized weight on to the weights of its row that are not quantized
/// yet, so that the outputs for the observed inputs change least: GPTQ (Frantar et al. 2022).
///
/// With U upper triangular and UᵀU = H⁻¹, the error e of column j changes each later column k by
/// `-e · U[j][k] / U[j][j]`.
public final class ErrorFeedback {
    /// The part of the mean of H's diagonal that is added to it, as in the paper.
    private static final double DAMPING = 0.01;

    private final float[][] upper;
    private final float[] importance;

    private ErrorFeedback(float[][] upper) {
        this.upper = upper;
        this.importance = new float[upper.length];
        for (int j = 0; j < upper.length; j++) {
            importance[j] = 1 / (upper[j][0] * upper[j][0]);
        }
    }

    /// Prepares the feedback for inputs with these products.
    public static ErrorFeedback of(InputProducts products) {
        return of(products.columns(), products::at);
    }

    /// Prepares the feedback for the same inputs with each column divided by a factor.
    public static ErrorFeedback of(InputProducts products, float[] factors) {
        return of(
                products.columns(),
                (i, j) -> products.at(i, j) / ((double) factors[i] * factors[j]));
    }

    /// The elements of a symmetric matrix.
    private interface Elements {
        double at(int row, int column);
    }

    private static ErrorFeedback of(int columns, Elements products) {
        int n = columns;
        double mean = 0;
        for (int i = 0; i < n; i++) {
            mean += products.at(i, i) / n;
        }
        double damping = mean > 0 ? DAMPING * mean : 1;
        // Columns in reverse order: the inverse of that factor, reversed again, is U.
        double[][] lower = new double[n][];
        for (int i = 0; i < n; i++) {
            lower[i] = new double[i + 1];
            for (int j = 0; j <= i; j++) {
                lower[i][j] = products.at(n - 1 - i, n - 1 - j) + (i == j ? damping : 0);
            }
        }
        factorize(lower);
        double[][] inverse = inverse(lower);
        float[][] upper = new float[n][];
        for (int j = 0; j < n; j++) {
            upper[j] = new float[n - j];
            for (int k = j; k < n; k++) {
                upper[j][k - j] = (float) inverse[n - 1 - j][n - 1 - k];
            }
        }
        return new ErrorFeedback(upper);
    }

    int columns() {
        return upper.length;
    }

    /// Returns what the square of a column's error costs, once later columns have made up for what
    /// they can.
    float[] importance() {
        return importance;
    }

    /// Changes the columns after `column` for an error of it.
    void pass(float[] row, int column, float error) {
        float[] factors = upper[column];
        float scaled = error / factors[0];
        for (int k = 1; k < factors.length; k++) {
            row[column + k] -= scaled * factors[k];
        }
    }

    /// Replaces a symmetric positive matrix by its Cholesky factor.
    private static void factorize(double[][] a) {
        int n = a.length;
        double[] column = new double[n];
        for (int k = 0; k < n; k++) {
            int pivot = k;
            double root = Math.sqrt(a[k][k]);
            for (int i = k; i < n; i++) {
                a[i][k] /= root;
                column[i] = a[i][k];
            }
            IntStream rows = IntStream.range(k + 1, n);
            (n - k > 256 ? rows.parallel() : rows)
                    .forEach(i -> subtract(a[i], column, column[i], pivot + 1, i + 1));
        }
    }

    private static void subtract(double[] row, double[] column, double factor, int from, int to) {
        for (int j = from; j < to; j++) {
            row[j] -= factor * column[j];
        }
    }

    /// Returns the inverse of a lower triangular matrix.
    private static double[][] inverse(double[][] lower) {
        int n = lower.length;
        double[][] inverse = new double[n][];
        for (int i = 0; i < n; i++) {
            double[] row = new double[i + 1];
            for (int k = 0; k < i; k++) {
                subtract(row, inverse[k], lower[i][k], 0, k + 1);
            }
            for (int j = 0; j < i; j++) {
                row[j] /= lower[i][i];
            }
            row[i] = 1 / lower[i][i];
            inverse[i] = row;
        }
        return inverse;
    }
}
