// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The contract of row ops that only some model families need: layer norms, norms of heads and of
/// sharded rows, GELU, caps, sums.
public interface FurtherRowContract extends KernelsContract {
    List<Integer> WIDTHS = List.of(1, 7, 16, 33, 576);
    float EPSILON = 1e-5f;

    /// The functions of one value.
    List<Activation> ALONE =
            List.of(
                    Activation.SILU,
                    Activation.GELU_TANH,
                    Activation.GELU_ERF,
                    Activation.RELU_SQUARED);

    @Test
    default void aLayerNormIsWithinRoundingOfTheReference() {
        var random = new Random(1);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = device.stored(TestValues.normal(random, 3 * width));
                float[] weight = TestValues.normal(random, width);
                float[] bias = TestValues.normal(random, width);
                Tensor out = device.activations(3, width, x);
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
                    Rounding.requireClose(
                            expected, actual[i], tolerances().norms() * 5e-6, out.type());
                }
            }
        }
    }

    @Test
    default void eachHeadIsNormedSeparately() {
        var random = new Random(2);
        for (int size : new int[] {20, 32, 48}) {
            try (TestDevice device = device()) {
                float[] x = device.stored(TestValues.normal(random, 4 * 3 * size));
                Tensor weight = device.floats(1, size, TestValues.normal(random, size));
                Tensor heads = device.activations(4, 3 * size, x);
                // The middle head is left unchanged.
                device.kernels().rmsNormHeads(heads.columns(0, size), weight, EPSILON);
                device.kernels().rmsNormHeads(heads.columns(2 * size, 3 * size), weight, EPSILON);
                Tensor single = device.activations(12, size, x);
                Tensor out = device.zeros(12, size);
                device.kernels().rmsNorm(single, weight, EPSILON, out);
                for (int row = 0; row < 12; row++) {
                    Tensor head = heads.rows(row / 3, row / 3 + 1);
                    int from = row % 3 * size;
                    int[] actual = device.bits(head.columns(from, from + size));
                    if (row % 3 == 1) {
                        assertArrayEquals(device.bits(single.rows(row, row + 1)), actual);
                    } else {
                        // Values below 6, each within 2e-6.
                        requireSameInAnyBatch(
                                device.bits(out.rows(row, row + 1)),
                                actual,
                                tolerances().norms() * 12e-6,
                                out.type(),
                                "head " + row);
                    }
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
            Tensor whole = device.zeros(2, 96);
            device.kernels().rmsNorm(device.activations(2, 96, x), weight, EPSILON, whole);
            Tensor shards = device.activations(2, 96, x);
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
                // The sum of squares is added in another order. Where the type is shorter, both
                // were rounded to it.
                double bound = tolerances().norms() * (1e-6 * Math.abs(expected[i]) + 1e-9);
                double stored =
                        whole.type() == DType.F32
                                ? 0
                                : Rounding.unit(whole.type()) * Math.abs(expected[i]);
                Rounding.requireClose(expected[i], actual[i], bound + stored, shards.type());
            }
        }
    }

    @Test
    default void aClampedGateIsWithinRoundingOfTheReference() {
        var random = new Random(14);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] gateUp = TestValues.normal(random, 3 * 2 * width);
                for (int i = 0; i < gateUp.length; i += 3) {
                    gateUp[i] *= 9;
                }
                gateUp = device.stored(gateUp);
                gateUp[0] = Float.NaN;
                Tensor both = device.activations(3, 2 * width, gateUp);
                Tensor out = device.zeros(3, width);
                device.kernels().activateMultiply(Activation.CLAMPED_SWIGLU, both, out);
                float[] actual = device.floats(out);
                assertEquals(Float.NaN, actual[0]);
                for (int i = 1; i < actual.length; i++) {
                    int at = i / width * 2 * width + i % width;
                    double gate = Math.min(gateUp[at], 7);
                    double up = Math.clamp(gateUp[at + width], -7.0, 7.0) + 1;
                    double share = gate / (1 + Math.exp(-1.702 * gate));
                    // Where up is near -1 its sum has the rounding of 1.
                    double bound = 3e-6 * Math.abs(share) * Math.max(1, Math.abs(up)) + 1e-12;
                    Rounding.requireClose(
                            share * up, actual[i], tolerances().functions() * bound, out.type());
                }
                IllegalArgumentException refused =
                        assertThrows(
                                IllegalArgumentException.class,
                                () ->
                                        device.kernels()
                                                .activate(Activation.CLAMPED_SWIGLU, out, out));
                assertEquals(
                        "CLAMPED_SWIGLU needs a gate and an up projection", refused.getMessage());
            }
        }
    }

    @Test
    default void whatAGateLetsThroughIsAdded() {
        var random = new Random(15);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = device.stored(TestValues.normal(random, 3 * width));
                float[] y = device.stored(TestValues.normal(random, 3 * width));
                float[] logits = {-100, 0.5f, 30};
                Tensor sum = device.activations(3, width, x);
                device.kernels()
                        .addGated(
                                sum, device.activations(3, width, y), device.floats(3, 1, logits));
                float[] actual = device.floats(sum);
                for (int i = 0; i < actual.length; i++) {
                    double expected = x[i] + y[i] / (1 + Math.exp(-logits[i / width]));
                    Rounding.requireClose(expected, actual[i], 1e-6 * 5, sum.type());
                }
            }
        }
    }

    @Test
    default void activationsAreWithinRoundingOfTheReference() {
        var random = new Random(4);
        for (Activation activation : ALONE) {
            for (int width : WIDTHS) {
                try (TestDevice device = device()) {
                    float[] gateUp = TestValues.normal(random, 3 * 2 * width);
                    for (int i = 0; i < gateUp.length; i += 5) {
                        gateUp[i] *= i % 2 == 0 ? 3 : 30;
                    }
                    gateUp = device.stored(gateUp);
                    Tensor both = device.activations(3, 2 * width, gateUp);
                    Tensor gated = device.zeros(3, width);
                    device.kernels().activateMultiply(activation, both, gated);
                    Tensor plain = both.columns(0, width);
                    device.kernels().activate(activation, plain, plain);
                    float[] product = device.floats(gated);
                    float[] single = device.floats(plain);
                    for (int i = 0; i < product.length; i++) {
                        int at = i / width * 2 * width + i % width;
                        float gate = gateUp[at];
                        double expected = reference(activation, gate);
                        // Rounding of e^-y grows with y: 2e-6 of a value of 30 at most, where the
                        // rest vanishes.
                        double bound =
                                tolerances().functions() * (3e-6 * Math.abs(expected) + 1e-12);
                        Rounding.requireClose(
                                expected,
                                single[i],
                                bound,
                                plain.type(),
                                () -> activation + " of " + gate);
                        float up = gateUp[at + width];
                        Rounding.requireClose(
                                expected * up, product[i], 2 * bound * Math.abs(up), gated.type());
                    }
                }
            }
        }
    }

    @Test
    default void sumsAndFactorsAreRoundedOnce() {
        var random = new Random(5);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                for (DType type : device.floatTypes()) {
                    float[] x = Rounding.of(TestValues.normal(random, 2 * width), type);
                    float[] y = Rounding.of(TestValues.normal(random, 2 * width), type);
                    float[] bias = TestValues.normal(random, width);
                    Tensor out = device.tensor(type, 2, width, x);
                    device.kernels().add(out, device.tensor(type, 2, width, y));
                    float[] sums = device.floats(out);
                    device.kernels().add(out, device.floats(1, width, bias));
                    float[] biased = device.floats(out);
                    device.kernels().scale(out, 0.7f);
                    float[] scaled = device.floats(out);
                    for (int i = 0; i < x.length; i++) {
                        Rounding.requireClose(x[i] + y[i], sums[i], 0, type);
                        Rounding.requireClose(sums[i] + bias[i % width], biased[i], 0, type);
                        Rounding.requireClose(biased[i] * 0.7f, scaled[i], 0, type);
                    }
                }
            }
        }
    }

    @Test
    default void capsAreWithinRoundingOfTheReference() {
        var random = new Random(8);
        for (int width : WIDTHS) {
            try (TestDevice device = device()) {
                float[] x = TestValues.normal(random, 2 * width);
                Tensor out = device.floats(2, width, x);
                device.kernels().softCap(out, 1.5f);
                float[] capped = device.floats(out);
                for (int i = 0; i < x.length; i++) {
                    // A tanh of 2 ulp, a quotient and a product.
                    double expected = 1.5 * Math.tanh(x[i] / 1.5);
                    double bound = 4e-7 * Math.abs(expected);
                    assertEquals(expected, capped[i], tolerances().functions() * bound);
                }
            }
        }
    }

    @Test
    default void copyAndClearLeaveOtherColumnsUnchanged() {
        try (TestDevice device = device()) {
            for (DType type : device.floatTypes()) {
                Tensor x = device.tensor(type, 2, 3, 1, 2, 3, 4, 5, 6);
                Tensor out = device.tensor(type, 2, 3, 7, 7, 7, 7, 7, 7);
                device.kernels().copy(x.columns(1, 3), out.columns(0, 2));
                device.kernels().clear(out.columns(1, 2));
                assertArrayEquals(new float[] {2, 0, 7, 5, 0, 7}, device.floats(out));
            }
        }
    }

    @Test
    default void floatsAreCopiedAsActivations() {
        try (TestDevice device = device()) {
            float[] values = TestValues.normal(new Random(3), 6);
            Tensor out = device.activations(2, 4, 7, 7, 7, 7, 7, 7, 7, 7);
            device.kernels().copy(device.floats(2, 3, values), out.columns(0, 3));
            float[] stored = device.stored(values);
            assertArrayEquals(
                    new float[] {
                        stored[0], stored[1], stored[2], 7, stored[3], stored[4], stored[5], 7
                    },
                    device.floats(out));
        }
    }

    @Test
    default void everyOpGivesTheSameBitsInAnyBatchAndOnAnyThread() {
        assumeSameBitsInAnyBatch();
        int width = 515;
        float[] x = TestValues.normal(new Random(6), 40 * 2 * width);
        float[] weights = TestValues.normal(new Random(7), 2 * width);
        int[] alone;
        try (var device = new TestDevice(open(1))) {
            Tensor row = device.activations(40, 2 * width, x).rows(23, 24);
            alone = everyOp(device, row, weights, 0);
        }
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                Tensor all = device.activations(40, 2 * width, x);
                assertArrayEquals(alone, everyOp(device, all, weights, 23));
            }
        }
    }

    @Test
    default void everyOpGivesTheSameBitsInARerun() {
        int width = 515;
        float[] x = TestValues.normal(new Random(6), 5 * 2 * width);
        float[] weights = TestValues.normal(new Random(7), 2 * width);
        List<int[]> runs = new ArrayList<>();
        for (int run = 0; run < 2; run++) {
            try (TestDevice device = device()) {
                Tensor all = device.activations(5, 2 * width, x);
                runs.add(everyOp(device, all, weights, 3));
            }
        }
        assertArrayEquals(runs.getFirst(), runs.getLast());
    }

    /// Returns the bits of one row after each op, concatenated.
    private static int[] everyOp(TestDevice device, Tensor x, float[] weights, int row) {
        int width = x.columns() / 2;
        Tensor weight = device.floats(1, 2 * width, weights);
        Tensor first = weight.columns(0, width);
        Tensor out = device.zeros(x.rows(), 4 * width);
        Tensor sums = device.zeros(DType.F32, x.rows(), 1);
        Tensor logits = device.floats(x.rows(), width, device.floats(x.columns(0, width)));
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
        kernels.add(last, first);
        kernels.addGated(last, x.columns(0, width), sums);
        kernels.activateMultiply(Activation.CLAMPED_SWIGLU, x, out.columns(0, width));
        kernels.softCap(logits, 2);
        return Stream.of(out, sums, logits)
                .flatMapToInt(each -> Arrays.stream(device.bits(each.rows(row, row + 1))))
                .toArray();
    }

    private static double reference(Activation activation, double x) {
        return switch (activation) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH ->
                    x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case GELU_ERF -> x * normal(x);
            case CLAMPED_SWIGLU -> throw activation.withoutUp();
            case RELU_SQUARED -> Math.max(x, 0) * Math.max(x, 0);
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
