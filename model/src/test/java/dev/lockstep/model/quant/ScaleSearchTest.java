// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ScaleSearchTest {
    private static final int COLUMNS = 64;
    private static final GroupFormat FORMAT = new GroupFormat(4, 32);

    @Test
    void aColumnWithLargeInputsGetsALargeScaleAndTheErrorFalls() {
        var random = new Random(7);
        float[] inputs = normal(random, 200 * COLUMNS);
        for (int i = 5; i < inputs.length; i += COLUMNS) {
            inputs[i] *= 50;
        }
        var products = new InputProducts(COLUMNS);
        products.add(inputs);
        List<float[]> rows = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            rows.add(normal(random, COLUMNS));
        }
        float[] scales = ScaleSearch.best(products, FORMAT, rows, false);
        for (int c = 0; c < COLUMNS; c++) {
            assertTrue(c == 5 || scales[c] < scales[5], "column " + c);
        }
        float[] ones = new float[COLUMNS];
        Arrays.fill(ones, 1);
        double plain = outputError(inputs, rows, ones);
        double scaled = outputError(inputs, rows, scales);
        assertTrue(scaled < 0.6 * plain, scaled + " of " + plain);
        float[] powers = ScaleSearch.best(products, FORMAT, rows, true);
        double exact = outputError(inputs, rows, powers);
        assertTrue(exact < 0.7 * plain, exact + " of " + plain);
        for (float each : powers) {
            assertEquals(Math.scalb(1f, Math.getExponent(each)), each);
        }
    }

    @Test
    void inputsOfOneMagnitudeOrOfNoneNeedNoScales() {
        float[] ones = new float[COLUMNS];
        Arrays.fill(ones, 1);
        var products = new InputProducts(COLUMNS);
        List<float[]> rows = List.of(normal(new Random(3), COLUMNS));
        assertArrayEquals(ones, ScaleSearch.best(products, FORMAT, rows, false));
        products.add(ones);
        assertArrayEquals(ones, ScaleSearch.best(products, FORMAT, rows, false));
    }

    @Test
    void theErrorOfOutputsIsThatOfTheInputs() {
        var random = new Random(11);
        float[] inputs = normal(random, 30 * COLUMNS);
        var products = new InputProducts(COLUMNS);
        products.add(inputs);
        float[] e = normal(random, COLUMNS);
        double expected = 0;
        for (int i = 0; i < 30; i++) {
            double output = 0;
            for (int c = 0; c < COLUMNS; c++) {
                output += (double) e[c] * inputs[i * COLUMNS + c];
            }
            expected += output * output;
        }
        assertEquals(expected, products.outputError(e), 1e-4 * expected);
    }

    private static double outputError(float[] inputs, List<float[]> rows, float[] scales) {
        var quantizer = new MatrixQuantizer(FORMAT, Optional.empty());
        double sum = 0;
        for (float[] row : rows) {
            float[] scaled = new float[COLUMNS];
            for (int c = 0; c < COLUMNS; c++) {
                scaled[c] = row[c] * scales[c];
            }
            float[] rounded = quantizer.rounded(scaled);
            for (int i = 0; i < inputs.length; i += COLUMNS) {
                double output = 0;
                for (int c = 0; c < COLUMNS; c++) {
                    output += (row[c] - rounded[c] / scales[c]) * inputs[i + c];
                }
                sum += output * output;
            }
        }
        return sum;
    }

    private static float[] normal(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
