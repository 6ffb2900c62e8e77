// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// The α of [Smoothing] with which products of rounded inputs and weights are nearest to the
/// original ones. Weights are rounded as [SignedRowFormat] does, inputs to 8 bits with a scale for
/// each token.
///
/// @param maxima of each channel's inputs
/// @param inputs samples of them, one after the other
/// @param weights the largest magnitude of each channel's weights
/// @param rows of the weights, or samples of them
/// @param powersOfTwo whether scales are rounded to them
public record SmoothingSearch(
        float[] maxima, float[] inputs, float[] weights, List<float[]> rows, boolean powersOfTwo) {
    private static final int HIGH = Byte.MAX_VALUE;

    /// Returns the values that are tried, ascending.
    public static List<Smoothing> grid() {
        return IntStream.rangeClosed(1, 9).mapToObj(i -> new Smoothing(i / 10f)).toList();
    }

    /// Returns the best of [#grid], of equal ones the first.
    public Smoothing best() {
        return grid().parallelStream()
                .map(each -> new Trial(each, error(each)))
                .min(Comparator.comparingDouble(Trial::error))
                .orElseThrow()
                .smoothing;
    }

    private record Trial(Smoothing smoothing, double error) {}

    /// Returns the scales for one α.
    public float[] scales(Smoothing smoothing) {
        float[] scales = smoothing.scales(maxima, weights);
        if (powersOfTwo) {
            Smoothing.roundToPowersOfTwo(scales);
        }
        return scales;
    }

    /// Returns the sum of the squared errors of the products of all samples.
    public double error(Smoothing smoothing) {
        float[] scales = scales(smoothing);
        int columns = scales.length;
        float[][] exact = new float[inputs.length / columns][];
        float[][] rounded = new float[exact.length][];
        for (int t = 0; t < exact.length; t++) {
            exact[t] = Arrays.copyOfRange(inputs, t * columns, (t + 1) * columns);
            rounded[t] = roundedInput(exact[t], scales);
        }
        var quantizer = new MatrixQuantizer(new SignedRowFormat(columns), Optional.empty());
        double sum = 0;
        float[] scaled = new float[columns];
        for (float[] row : rows) {
            for (int c = 0; c < columns; c++) {
                scaled[c] = row[c] * scales[c];
            }
            float[] roundedRow = quantizer.rounded(scaled);
            for (int t = 0; t < exact.length; t++) {
                double difference = dot(exact[t], row) - dot(rounded[t], roundedRow);
                sum += difference * difference;
            }
        }
        return sum;
    }

    private static float[] roundedInput(float[] x, float[] scales) {
        float[] rounded = new float[x.length];
        float largest = 0;
        for (int c = 0; c < x.length; c++) {
            rounded[c] = x[c] / scales[c];
            largest = Math.max(largest, Math.abs(rounded[c]));
        }
        float step = largest == 0 ? 1 : largest / HIGH;
        for (int c = 0; c < x.length; c++) {
            rounded[c] = step * (float) Math.rint(rounded[c] / step);
        }
        return rounded;
    }

    private static double dot(float[] x, float[] y) {
        double sum = 0;
        for (int c = 0; c < x.length; c++) {
            sum += (double) x[c] * y[c];
        }
        return sum;
    }
}
