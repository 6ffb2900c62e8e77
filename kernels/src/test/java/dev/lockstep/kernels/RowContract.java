// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The contract of the row-wise ops.
public interface RowContract extends KernelsContract {
    // Odd widths leave lanes unused; 576 and 1536 are widths of a real model.
    List<Integer> WIDTHS = List.of(1, 7, 16, 33, 576, 1536);
    float EPSILON = 1e-5f;

    @Test
    default void aNormIsWithinRoundingOfTheReference() {
        var random = new Random(1);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = device.stored(TestValues.normal(random, 5 * width));
                float[] weight = TestValues.normal(random, width);
                Tensor out = device.zeros(5, width);
                device.kernels()
                        .rmsNorm(
                                device.activations(5, width, x),
                                device.floats(1, width, weight),
                                EPSILON,
                                out);
                requireNormed(x, weight, device, out);
            }
        }
    }

    @Test
    default void addRmsNormKeepsTheSumInTheResidualAndNormsWhatItKept() {
        var random = new Random(2);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = device.stored(TestValues.normal(random, 3 * width));
                float[] residual = device.stored(TestValues.normal(random, 3 * width));
                float[] weight = TestValues.normal(random, width);
                Tensor kept = device.activations(3, width, residual);
                Tensor out = device.zeros(3, width);
                device.kernels()
                        .addRmsNorm(
                                device.activations(3, width, x),
                                kept,
                                device.floats(1, width, weight),
                                EPSILON,
                                out);
                float[] sums = device.floats(kept);
                for (int i = 0; i < x.length; i++) {
                    Rounding.requireClose(residual[i] + x[i], sums[i], 0, kept.type());
                }
                requireNormed(sums, weight, device, out);
            }
        }
    }

    @Test
    default void aNormMayOverwriteItsInput() {
        try (TestDevice device = device()) {
            float[] x = TestValues.normal(new Random(3), 2 * 33);
            Tensor weight = device.floats(1, 33, TestValues.normal(new Random(4), 33));
            Tensor out = device.zeros(2, 33);
            device.kernels().rmsNorm(device.activations(2, 33, x), weight, EPSILON, out);
            Tensor inPlace = device.activations(2, 33, x);
            device.kernels().rmsNorm(inPlace, weight, EPSILON, inPlace);
            assertArrayEquals(device.bits(out), device.bits(inPlace));
            Tensor added = device.activations(2, 33, x);
            device.kernels().addRmsNorm(added, device.activations(2, 33, x), weight, EPSILON, out);
            device.kernels()
                    .addRmsNorm(added, device.activations(2, 33, x), weight, EPSILON, added);
            assertArrayEquals(device.bits(out), device.bits(added));
        }
    }

    @Test
    default void siluTimesUpIsWithinRoundingOfTheReference() {
        var random = new Random(5);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] gateUp = TestValues.normal(random, 3 * 2 * width);
                for (int i = 0; i < gateUp.length; i += 5) {
                    gateUp[i] *= 60;
                }
                gateUp = device.stored(gateUp);
                Tensor out = device.zeros(3, width);
                device.kernels()
                        .activateMultiply(
                                Activation.SILU, device.activations(3, 2 * width, gateUp), out);
                float[] actual = device.floats(out);
                for (int i = 0; i < actual.length; i++) {
                    int gate = i / width * 2 * width + i % width;
                    double expected =
                            gateUp[gate] / (1 + Math.exp(-gateUp[gate])) * gateUp[gate + width];
                    // An exponential, a sum, a quotient and a product; gates below -87 vanish.
                    double bound = 1e-6 * Math.abs(expected) + 1e-30;
                    Rounding.requireClose(
                            expected, actual[i], tolerances().functions() * bound, out.type());
                }
            }
        }
    }

    @Test
    default void rowsAreScaledByTheFactorsOfTheirPositions() {
        try (TestDevice device = device()) {
            int width = 37;
            float[] values = device.stored(TestValues.normal(new Random(8), 4 * width));
            Tensor x = device.activations(4, width, values);
            Tensor factors = device.tensor(DType.F32, 1, 3, 1, 1.75f, 0.3f);
            device.kernels().scaleRows(x.columns(0, 35), factors, device.ints(1, 4, 2, 0, 1, 2));
            float[] actual = device.floats(x);
            double[] expected = {0.3f, 1, 1.75f, 0.3f};
            for (int i = 0; i < values.length; i++) {
                double factor = i % width < 35 ? expected[i / width] : 1;
                double bound = 1e-7 * Math.abs(values[i]);
                Rounding.requireClose(values[i] * factor, actual[i], bound, x.type());
            }
        }
    }

    @Test
    default void xieluIsWithinRoundingOfItsFormula() {
        try (TestDevice device = device()) {
            float[] values = device.stored(TestValues.normal(new Random(9), 3 * 37));
            values[4] = 0;
            Tensor x = device.activations(3, 37, values);
            device.kernels().xielu(new Xielu(0.75f, 1.25f, 0.5f, -1e-6f), x);
            float[] actual = device.floats(x);
            for (int i = 0; i < values.length; i++) {
                double a = values[i];
                double expected =
                        a > 0
                                ? 0.75 * a * a + 0.5 * a
                                : 1.25 * (Math.expm1(Math.min(a, -1e-6f)) - a) + 0.5 * a;
                // e^x - 1 loses what is below the rounding of 1.
                double bound = tolerances().functions() * (1e-6 * Math.abs(a) + 5e-7);
                Rounding.requireClose(expected, actual[i], bound, x.type());
            }
        }
    }

    @Test
    default void gatheredRowsAreCopies() {
        try (TestDevice device = device()) {
            for (DType type : device.floatTypes()) {
                Tensor x = device.tensor(type, 3, 2, 1, 2, 3, 4, 5, 6);
                Tensor out = device.zeros(type, 4, 2);
                device.kernels().gatherRows(x, device.ints(1, 4, 2, 0, 2, 1), out);
                assertArrayEquals(new float[] {5, 6, 1, 2, 5, 6, 3, 4}, device.floats(out));
                for (int wrong : new int[] {3, -1}) {
                    Tensor rows = device.ints(1, 4, 0, 0, wrong, 0);
                    device.requireRefused(() -> device.kernels().gatherRows(x, rows, out));
                }
            }
        }
    }

    @Test
    default void embeddingRowsEqualTheStoredRows() {
        for (TensorType type : TensorType.values()) {
            try (TestDevice device = device()) {
                int columns = 96;
                StoredMatrix stored = StoredMatrix.random(type, 7, columns, 6);
                int[] rows = {3, 3, 0, 6, 5};
                EmbeddingTable table =
                        device.kernels().prepareEmbedding(stored.shard(rows, 32, 96));
                assertEquals(5, table.rows());
                assertEquals(64, table.columns());
                Tensor out = device.zeros(6, 64);
                int[] ids = {4, 0, 1, 2, 3, 4};
                device.kernels().embed(table, device.ints(1, 6, ids), out);
                float[] actual = device.floats(out);
                for (int i = 0; i < actual.length; i++) {
                    double expected = stored.at(rows[ids[i / 64]], 32 + i % 64);
                    // Scales are exact in a float; the product of the longest scale and an integer
                    // rounds, and so does the minimum.
                    double bound = 1e-7 * Math.abs(expected) + 1e-7;
                    Rounding.requireClose(
                            expected,
                            actual[i],
                            tolerances().elements() * bound,
                            out.type(),
                            type::name);
                }
                for (int wrong : new int[] {5, -1}) {
                    Tensor outside = device.ints(1, 6, 0, 0, 0, 0, 0, wrong);
                    device.requireRefused(() -> device.kernels().embed(table, outside, out));
                }
            }
        }
    }

    @Test
    default void aPlainEmbeddingAcceptsAnyColumns() {
        for (TensorType type : new TensorType[] {TensorType.F32, TensorType.F16, TensorType.BF16}) {
            try (TestDevice device = device()) {
                StoredMatrix stored = StoredMatrix.random(type, 2, 21, 7);
                EmbeddingTable table =
                        device.kernels()
                                .prepareEmbedding(
                                        new WeightRows(
                                                "t",
                                                stored.data(),
                                                type,
                                                21,
                                                new int[] {0, 1},
                                                2,
                                                21));
                Tensor out = device.zeros(1, 19);
                device.kernels().embed(table, device.ints(1, 1, 1), out);
                float[] actual = device.floats(out);
                for (int i = 0; i < actual.length; i++) {
                    Rounding.requireClose(stored.at(1, 2 + i), actual[i], 0, out.type());
                }
            }
        }
    }

    @Test
    default void aVectorIsPreparedAsFloats() {
        try (TestDevice device = device()) {
            Tensor vector = device.kernels().prepareVector(new float[] {1, -2, 0.5f, 3});
            vector.require("vector", DType.F32, 1, 4);
            assertArrayEquals(new float[] {1, -2, 0.5f, 3}, device.floats(vector));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> device.kernels().prepareVector(new float[0]));
        }
    }

    @Test
    default void aRowHasTheSameBitsInAnyBatchAndOnAnyThread() {
        assumeSameBitsInAnyBatch();
        int width = 1537;
        int rows = 64;
        var random = new Random(8);
        float[] x = TestValues.normal(random, rows * 2 * width);
        float[] weight = TestValues.normal(random, width);
        int[] alone;
        int[] silu;
        try (var device = new TestDevice(open(1))) {
            Tensor one = device.activations(1, 2 * width, Arrays.copyOf(x, 2 * width));
            Tensor out = device.zeros(1, width);
            device.kernels()
                    .rmsNorm(one.columns(0, width), device.floats(1, width, weight), EPSILON, out);
            alone = device.bits(out);
            device.kernels().activateMultiply(Activation.SILU, one, out);
            silu = device.bits(out);
        }
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                float[] shifted = new float[x.length];
                for (int row = 0; row < rows; row++) {
                    System.arraycopy(
                            x, row * 2 * width, shifted, (row + 41) % rows * 2 * width, 2 * width);
                }
                Tensor all = device.activations(rows, 2 * width, shifted);
                Tensor out = device.zeros(rows, width);
                device.kernels()
                        .rmsNorm(
                                all.columns(0, width),
                                device.floats(1, width, weight),
                                EPSILON,
                                out);
                assertArrayEquals(alone, device.bits(out.rows(41, 42)));
                device.kernels().activateMultiply(Activation.SILU, all, out);
                assertArrayEquals(silu, device.bits(out.rows(41, 42)));
            }
        }
    }

    @Test
    default void rowOpsGiveTheSameBitsInARerun() {
        int width = 1537;
        float[] x = TestValues.normal(new Random(9), 5 * 2 * width);
        float[] weights = TestValues.normal(new Random(10), width);
        List<int[]> runs = new ArrayList<>();
        for (int run = 0; run < 2; run++) {
            try (TestDevice device = device()) {
                Tensor both = device.activations(5, 2 * width, x);
                Tensor weight = device.floats(1, width, weights);
                Tensor residual = both.columns(0, width);
                Tensor out = device.zeros(5, width);
                device.kernels().activateMultiply(Activation.SILU, both, out);
                device.kernels().addRmsNorm(out, residual, weight, EPSILON, out);
                device.kernels().rmsNorm(out, weight, EPSILON, both.columns(width, 2 * width));
                runs.add(device.bits(both));
            }
        }
        assertArrayEquals(runs.getFirst(), runs.getLast());
    }

    private void requireNormed(float[] x, float[] weight, TestDevice device, Tensor out) {
        float[] actual = device.floats(out);
        int width = weight.length;
        for (int i = 0; i < x.length; i++) {
            double squares = 0;
            for (int c = 0; c < width; c++) {
                double value = x[i / width * width + c];
                squares += value * value;
            }
            double expected = x[i] / Math.sqrt(squares / width + EPSILON) * weight[i % width];
            // A sum of up to 1536 positive terms in 16 partial sums: about 100 roundings at most,
            // far fewer in effect.
            double bound = 2e-6 * Math.abs(expected) + 1e-12;
            Rounding.requireClose(expected, actual[i], tolerances().norms() * bound, out.type());
        }
    }
}
