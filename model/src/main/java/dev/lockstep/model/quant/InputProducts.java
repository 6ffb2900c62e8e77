// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.util.stream.IntStream;

/// The matrix H = Σ x · xᵀ over the inputs x that a linear layer had, which says how an error of
/// one weight can be made up for by others of its row.
public final class InputProducts {
    /// Inputs that are added at once, so that a sum is read and written once for all of them.
    private static final int AT_ONCE = 8;

    private final int columns;
    private final float[][] sums;
    private long inputs;

    public InputProducts(int columns) {
        this.columns = columns;
        this.sums = new float[columns][];
        for (int row = 0; row < columns; row++) {
            sums[row] = new float[row + 1];
        }
    }

    /// Returns the bytes that the products of a layer with this number of inputs take.
    public static long bytes(int columns) {
        return (long) columns * (columns + 1) / 2 * Float.BYTES;
    }

    public int columns() {
        return columns;
    }

    /// Returns the number of inputs added.
    public long inputs() {
        return inputs;
    }

    /// Adds inputs, one after the other.
    public void add(float[] x) {
        if (x.length % columns != 0) {
            throw new IllegalArgumentException(
                    "%d values are not inputs of %d columns".formatted(x.length, columns));
        }
        int count = x.length / columns;
        inputs += count;
        IntStream.range(0, columns)
                .parallel()
                .forEach(
                        row -> {
                            for (int first = 0; first < count; first += AT_ONCE) {
                                add(sums[row], x, first, Math.min(AT_ONCE, count - first), row);
                            }
                        });
    }

    private void add(float[] sum, float[] x, int first, int count, int row) {
        int at = first * columns;
        if (count < AT_ONCE) {
            for (int i = 0; i < count; i++) {
                float own = x[at + i * columns + row];
                for (int c = 0; c <= row; c++) {
                    sum[c] += own * x[at + i * columns + c];
                }
            }
            return;
        }
        float a = x[at + row];
        float b = x[at + columns + row];
        float c = x[at + 2 * columns + row];
        float d = x[at + 3 * columns + row];
        float e = x[at + 4 * columns + row];
        float f = x[at + 5 * columns + row];
        float g = x[at + 6 * columns + row];
        float h = x[at + 7 * columns + row];
        for (int i = 0; i <= row; i++) {
            sum[i] +=
                    a * x[at + i]
                            + b * x[at + columns + i]
                            + c * x[at + 2 * columns + i]
                            + d * x[at + 3 * columns + i]
                            + e * x[at + 4 * columns + i]
                            + f * x[at + 5 * columns + i]
                            + g * x[at + 6 * columns + i]
                            + h * x[at + 7 * columns + i];
        }
    }

    /// Returns `eᵀ · H · e`: the sum of the squares that errors `e` of a row's weights make in its
    /// outputs.
    public double outputError(float[] e) {
        double sum = 0;
        for (int row = 0; row < columns; row++) {
            float[] products = sums[row];
            float others = 0;
            for (int c = 0; c < row; c++) {
                others += products[c] * e[c];
            }
            sum += e[row] * (2.0 * others + (double) products[row] * e[row]);
        }
        return sum;
    }

    /// Returns the root of the mean square of the inputs of a column.
    public float magnitude(int column) {
        return inputs == 0 ? 0 : (float) Math.sqrt(sums[column][column] / inputs);
    }

    /// Returns an element of H.
    double at(int row, int column) {
        return row >= column ? sums[row][column] : sums[column][row];
    }
}
