// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The contract of row ops that only some model families need: layer norms, norms of heads and of
/// sharded rows, GELU, caps, sums.
public interface FurtherRowContract extends KernelsContract {
    List<Integer> WIDTHS = List.of(1, 7, 16, 33, 576);
    float EPSILON = 1e-5f;

    @Test
    default void aLayerNormIsWithinRoundingOfTheReference() {
        var random = new Random(1);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = TestValues.normal(random, 3 * width);
                float[] weight = TestValues.normal(random, width);
                float[] bias = TestValues.normal(random, width);
                Tensor out = device.floats(3, width, x);
                device.kernels()
                        .layerNorm(
                                out,
                                device.floats(1, width, weight),
                                device.floats(1, width, bias),
                                EPSILON,
                                out);
                float[] actual = device.floats(out);
                for (int i = 0; i < x.length; i++) {
                    double mean = 0;
                    double variance = 0;
                    int row = i / width * width;
                    for (int c = 0; c < width; c++) {
                        mean += (double) x[row + c] / width;
                    }
                    for (int c = 0; c < width; c++) {
                        variance += (x[row + c] - mean) * (x[row + c] - mean) / width;
                    }
                    double expected =
                            (x[i] - mean) / Math.sqrt(variance + EPSILON) * weight[i % width]
                                    + bias[i % width];
                    // Two sums of up to 576 terms near 1 in 16 partial sums; a width of one divides
                    // by the root of epsilon, which is 300 times a rounding of the mean.
                    assertEquals(expected, actual[i], 5e-6);
                }
            }
        }
    }

    @Test
    default void eachHeadIsNormedSeparately() {
        var random = new Random(2);
        for (int size : new int[] {20, 32, 48}) {
            try (TestDevice device = device()) {
                float[] x = TestValues.normal(random, 4 * 3 * size);
                Tensor weight = device.floats(1, size, TestValues.normal(random, size));
                Tensor heads = device.floats(4, 3 * size, x);
                // The middle head is left unchanged.
                device.kernels().rmsNormHeads(heads.columns(0, size), weight, EPSILON);
                device.kernels().rmsNormHeads(heads.columns(2 * size, 3 * size), weight, EPSILON);
                Tensor single = device.floats(12, size, x);
                Tensor out = device.zeros(DType.F32, 12, size);
                device.kernels().rmsNorm(single, weight, EPSILON, out);
                for (int row = 0; row < 12; row++) {
                    Tensor expected = row % 3 == 1 ? single : out;
                    Tensor head = heads.rows(row / 3, row / 3 + 1);
                    int from = row % 3 * size;
                    assertArrayEquals(
                            device.bits(expected.rows(row, row + 1)),
                            device.bits(head.columns(from, from + size)));
                }
                assertThrows(
                        IllegalArgumentException.class,
                        () -> device.kernels().rmsNormHeads(heads.columns(0, 31), weight, EPSILON));
            }
        }
    }

    @Test
    default void aShardedNormIsTheNormOfTheWhole() {
        var random = new Random(3);
        try (TestDevice device = device()) {
            float[] x = TestValues.normal(random, 2 * 96);
            Tensor weight = device.floats(1, 96, TestValues.normal(random, 96));
            Tensor whole = device.zeros(DType.F32, 2, 96);
            device.kernels().rmsNorm(device.floats(2, 96, x), weight, EPSILON, whole);
            Tensor shards = device.floats(2, 96, x);
            Tensor sums = device.zeros(DType.F32, 2, 2);
            device.kernels().squareSums(shards.columns(0, 64), sums.columns(0, 1));
            device.kernels().squareSums(shards.columns(64, 96), sums.columns(1, 2));
            device.kernels().add(sums.columns(0, 1), sums.columns(1, 2));
            for (int[] shard : new int[][] {{0, 64}, {64, 96}}) {
                device.kernels()
                        .normalizeBySums(
                                shards.columns(shard[0], shard[1]),
                                sums.columns(0, 1),
                                96,
                                weight.columns(shard[0], shard[1]),
                                EPSILON);
            }
            float[] expected = device.floats(whole);
            float[] actual = device.floats(shards);
            for (int i = 0; i < expected.length; i++) {
                // The sum of squares is added in another order.
                assertEquals(expected[i], actual[i], 1e-6 * Math.abs(expected[i]) + 1e-9);
            }
        }
    }

    @Test
    default void activationsAreWithinRoundingOfTheReference() {
        var random = new Random(4);
        for (Activation activation : Activation.values()) {
            for (int width : WIDTHS) {
                try (TestDevice device = device()) {
                    float[] gateUp = TestValues.normal(random, 3 * 2 * width);
                    for (int i = 0; i < gateUp.length; i += 5) {
                        gateUp[i] *= i % 2 == 0 ? 3 : 30;
                    }
                    Tensor both = device.floats(3, 2 * width, gateUp);
                    Tensor gated = device.zeros(DType.F32, 3, width);
                    device.kernels().activateMultiply(activation, both, gated);
                    Tensor plain = both.columns(0, width);
                    device.kernels().activate(activation, plain, plain);
                    float[] product = device.floats(gated);
                    for (int i = 0; i < product.length; i++) {
                        int gate = i / width * 2 * width + i % width;
                        double expected = reference(activation, gateUp[gate]);
                        // Rounding of e^-y grows with y: 2e-6 of a value of 30 at most, where the
                        // rest vanishes.
                        double tolerance = 3e-6 * Math.abs(expected) + 1e-12;
                        assertEquals(
                                expected,
                                device.floats(plain.rows(i / width, i / width + 1))[i % width],
                                tolerance,
                                activation + " of " + gateUp[gate]);
                        float up = gateUp[gate + width];
                        assertEquals(expected * up, product[i], 2 * tolerance * Math.abs(up));
                    }
                }
            }
        }
    }

    @Test
    default void sumsFactorsAndCapsAreWithinRoundingOfTheReference() {
        var random = new Random(5);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = TestValues.normal(random, 2 * width);
                float[] y = TestValues.normal(random, 2 * width);
                Tensor out = device.floats(2, width, x);
                device.kernels().add(out, device.floats(2, width, y));
                device.kernels().add(out, device.floats(1, width, y).rows(0, 1));
                device.kernels().scale(out, 0.7f);
                float[] scaled = device.floats(out);
                device.kernels().softCap(out, 1.5f);
                float[] capped = device.floats(out);
                for (int i = 0; i < x.length; i++) {
                    assertEquals((x[i] + y[i] + y[i % width]) * 0.7f, scaled[i]);
                    // A tanh of 2 ulp, a quotient and a product.
                    double expected = 1.5 * Math.tanh(scaled[i] / 1.5);
                    assertEquals(expected, capped[i], 4e-7 * Math.abs(expected));
                }
            }
        }
    }

    @Test
    default void copyAndClearLeaveOtherColumnsUnchanged() {
        try (TestDevice device = device()) {
            Tensor x = device.floats(2, 3, 1, 2, 3, 4, 5, 6);
            Tensor out = device.floats(2, 3, 7, 7, 7, 7, 7, 7);
            device.kernels().copy(x.columns(1, 3), out.columns(0, 2));
            device.kernels().clear(out.columns(1, 2));
            assertArrayEquals(new float[] {2, 0, 7, 5, 0, 7}, device.floats(out));
        }
    }

    @Test
    default void everyOpGivesTheSameBitsInAnyBatchAndOnAnyThread() {
        int width = 515;
        float[] x = TestValues.normal(new Random(6), 40 * 2 * width);
        float[] weights = TestValues.normal(new Random(7), 2 * width);
        int[] alone;
        try (var device = new TestDevice(open(1))) {
            alone = everyOp(device, device.floats(40, 2 * width, x).rows(23, 24), weights, 0);
        }
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                Tensor all = device.floats(40, 2 * width, x);
                assertArrayEquals(alone, everyOp(device, all, weights, 23));
            }
        }
    }

    /// Returns the bits of one row after each op, concatenated.
    private static int[] everyOp(TestDevice device, Tensor x, float[] weights, int row) {
        int width = x.columns() / 2;
        Tensor weight = device.floats(1, 2 * width, weights);
        Tensor first = weight.columns(0, width);
        Tensor out = device.zeros(DType.F32, x.rows(), 4 * width + 1);
        Tensor sums = out.columns(4 * width, 4 * width + 1);
        Kernels kernels = device.kernels();
        Tensor normed = out.columns(0, width);
        kernels.layerNorm(
                x.columns(0, width), first, weight.columns(width, 2 * width), 1e-5f, normed);
        kernels.activateMultiply(Activation.GELU_ERF, x, out.columns(width, 2 * width));
        kernels.activate(
                Activation.GELU_TANH, x.columns(0, width), out.columns(2 * width, 3 * width));
        kernels.squareSums(x, sums);
        Tensor last = out.columns(3 * width, 4 * width);
        kernels.add(last, x.columns(width, 2 * width));
        kernels.rmsNormHeads(last, first.columns(0, 103), 1e-5f);
        kernels.normalizeBySums(last, sums, width, first, 1e-5f);
        kernels.scale(last, 3);
        kernels.softCap(last, 2);
        return device.bits(out.rows(row, row + 1));
    }

    private static double reference(Activation activation, double x) {
        return switch (activation) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH ->
                    x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case GELU_ERF -> x * normal(x);
        };
    }

    /// Returns the normal distribution function: a series near 0, a continued fraction in the
    /// tails.
    private static double normal(double x) {
        double z = Math.abs(x);
        double tail;
        if (z < 4) {
            double term = z;
            double sum = z;
            for (int n = 1; n < 200; n++) {
                term *= z * z / (2 * n + 1);
                sum += term;
            }
            tail = 0.5 - sum * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
        } else {
            double fraction = z;
            for (int n = 200; n > 0; n--) {
                fraction = z + n / fraction;
            }
            tail = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) / fraction;
        }
        return x < 0 ? tail : 1 - tail;
    }
}
