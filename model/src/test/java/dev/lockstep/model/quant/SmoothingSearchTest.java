// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SmoothingSearchTest {
    private static final int COLUMNS = 64;
    private static final int TOKENS = 32;

    /// Against plain loops in double.
    @ParameterizedTest
    @CsvSource({"1, false", "30, false", "300, false", "300, true"})
    void noAlphaOfTheGridHasASmallerError(float outlier, boolean powersOfTwo) {
        SmoothingSearch search = search(outlier, 1, powersOfTwo);
        Smoothing best = search.best();
        for (Smoothing each : SmoothingSearch.grid()) {
            double expected = error(search, search.scales(each));
            assertEquals(expected, search.error(each), 1e-3 * expected);
            assertTrue(search.error(best) <= search.error(each), () -> each + " and " + best);
        }
    }

    /// A channel whose weight is large in one row is better left to that row's own scale; a channel
    /// whose inputs are large is shared.
    @Test
    void outliersOfInputsAndOfWeightsNeedDifferentAlphas() {
        float ofInputs = search(300, 1, false).best().alpha();
        float ofWeights = search(1, 300, false).best().alpha();
        assertTrue(ofWeights > ofInputs, () -> ofWeights + " and " + ofInputs);
    }

    private static SmoothingSearch search(float outlier, float ofWeights, boolean powersOfTwo) {
        var random = new Random(3);
        float[] inputs = new float[TOKENS * COLUMNS];
        float[] maxima = new float[COLUMNS];
        for (int i = 0; i < inputs.length; i++) {
            int column = i % COLUMNS;
            inputs[i] = (float) random.nextGaussian() * (column == 5 ? outlier : 1);
            maxima[column] = Math.max(maxima[column], Math.abs(inputs[i]));
        }
        List<float[]> rows = new ArrayList<>();
        float[] weights = new float[COLUMNS];
        for (int r = 0; r < 24; r++) {
            float[] row = new float[COLUMNS];
            for (int c = 0; c < COLUMNS; c++) {
                row[c] = (float) random.nextGaussian() * (c == 9 && r == 0 ? ofWeights : 1);
                weights[c] = Math.max(weights[c], Math.abs(row[c]));
            }
            rows.add(row);
        }
        return new SmoothingSearch(maxima, inputs, weights, rows, powersOfTwo);
    }

    private static double error(SmoothingSearch search, float[] scales) {
        double sum = 0;
        for (float[] row : search.rows()) {
            double largestWeight = 0;
            for (int c = 0; c < COLUMNS; c++) {
                largestWeight = Math.max(largestWeight, Math.abs(row[c] * scales[c]));
            }
            float step = Float.float16ToFloat(Float.floatToFloat16((float) largestWeight / 127));
            for (int t = 0; t < TOKENS; t++) {
                double largest = 0;
                for (int c = 0; c < COLUMNS; c++) {
                    double x = search.inputs()[t * COLUMNS + c] / scales[c];
                    largest = Math.max(largest, Math.abs(x));
                }
                double difference = 0;
                for (int c = 0; c < COLUMNS; c++) {
                    float x = search.inputs()[t * COLUMNS + c];
                    double code = Math.rint(x / scales[c] / (largest / 127));
                    double weight =
                            step * Math.clamp(Math.rint(row[c] * scales[c] / step), -127, 127);
                    difference += (double) x * row[c] - code * (largest / 127) * weight;
                }
                sum += difference * difference;
            }
        }
        return sum;
    }
}
