// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// The scales of input channels that keep the outputs of quantized matrices nearest to those of the
/// original ones: AWQ (Lin et al. 2023).
///
/// Columns are multiplied by scales and inputs divided by them. Scales are a power of the
/// magnitudes of the inputs; the exponent with the smallest error is found by trying them.
public final class ScaleSearch {
    private static final int TRIALS = 20;
    private static final float MAX_SCALE = 1e4f;

    private ScaleSearch() {}

    /// Returns the scales for matrices that have the same inputs.
    ///
    /// @param rows of the matrices, or samples of them
    /// @param powersOfTwo whether only such scales are tried
    /// @return all 1 where no other scales are better
    public static float[] best(
            InputProducts products, BlockFormat format, List<float[]> rows, boolean powersOfTwo) {
        var quantizer = new MatrixQuantizer(format, Optional.empty());
        return IntStream.rangeClosed(0, TRIALS)
                .parallel()
                .mapToObj(
                        trial -> {
                            float[] scales = scales(products, (double) trial / TRIALS);
                            if (powersOfTwo) {
                                Smoothing.roundToPowersOfTwo(scales);
                            }
                            return new Trial(scales, error(products, quantizer, rows, scales));
                        })
                // Of equal ones the first, with the smaller exponent.
                .min(Comparator.comparingDouble(Trial::error))
                .orElseThrow()
                .scales;
    }

    private record Trial(float[] scales, double error) {}

    private static float[] scales(InputProducts products, double exponent) {
        float[] scales = new float[products.columns()];
        float smallest = Float.MAX_VALUE;
        float largest = 0;
        for (int c = 0; c < scales.length; c++) {
            float magnitude = products.magnitude(c);
            scales[c] = magnitude > 0 ? (float) Math.pow(magnitude, exponent) : 0;
            if (scales[c] > 0) {
                smallest = Math.min(smallest, scales[c]);
                largest = Math.max(largest, scales[c]);
            }
        }
        if (largest == 0) {
            Arrays.fill(scales, 1);
            return scales;
        }
        float middle = (float) Math.sqrt((double) smallest * largest);
        for (int c = 0; c < scales.length; c++) {
            scales[c] =
                    scales[c] == 0 ? 1 : Math.clamp(scales[c] / middle, 1 / MAX_SCALE, MAX_SCALE);
        }
        return scales;
    }

    private static double error(
            InputProducts products, MatrixQuantizer quantizer, List<float[]> rows, float[] scales) {
        double sum = 0;
        float[] scaled = new float[scales.length];
        for (float[] row : rows) {
            for (int c = 0; c < scaled.length; c++) {
                scaled[c] = row[c] * scales[c];
            }
            float[] rounded = quantizer.rounded(scaled);
            for (int c = 0; c < scaled.length; c++) {
                rounded[c] = row[c] - rounded[c] / scales[c];
            }
            sum += products.outputError(rounded);
        }
        return sum;
    }
}
