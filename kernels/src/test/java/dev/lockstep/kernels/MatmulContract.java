// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The contract of packing and multiplying, for every stored type, against loops in double.
public interface MatmulContract extends KernelsContract {

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void productsStayWithinTheirErrorBound(TensorType type) {
        try (TestDevice device = device()) {
            for (int rows : new int[] {1, 7, 16, 33, 80}) {
                for (int tokens : new int[] {1, 2, 3, 5, 8, 13, 17}) {
                    check(device, type, DType.F32, rows, 96, tokens);
                }
            }
            check(device, type, DType.F32, 7, 32, 33);
            check(device, type, DType.F32, 100, 1536, 3);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    default void plainWeightsComputeInBf16OnRequest(TensorType type) {
        try (TestDevice device = device()) {
            for (int tokens : new int[] {1, 4, 9}) {
                check(device, type, DType.BF16, 33, 576, tokens);
                check(device, type, DType.BF16, 7, 31, tokens);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    default void plainTypesAcceptAnyNumberOfColumns(TensorType type) {
        try (TestDevice device = device()) {
            for (int columns : new int[] {1, 7, 33}) {
                check(device, type, DType.F32, 17, columns, 5);
                check(device, type, DType.BF16, 17, columns, 5);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void shardsOfRowsAndColumnsAddUpToTheWhole(TensorType type) {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(type, 40, 160, 7);
            int[] picked = {39, 0, 17, 3, 3, 21, 38};
            Tensor x = activations(device, 3, 160, 8);
            double[] sum = new double[3 * picked.length];
            for (int[] cut : new int[][] {{0, 32}, {32, 128}, {128, 160}}) {
                PackedWeight weight =
                        device.kernels()
                                .prepare(List.of(stored.shard(picked, cut[0], cut[1])), DType.F32);
                Tensor out = device.zeros(DType.F32, 3, picked.length);
                device.kernels().matmul(x.columns(cut[0], cut[1]), weight, out);
                float[] partial = device.floats(out);
                IntStream.range(0, sum.length).forEach(i -> sum[i] += partial[i]);
            }
            float[] inputs = device.floats(x);
            for (int t = 0; t < 3; t++) {
                for (int r = 0; r < picked.length; r++) {
                    Product expected =
                            Product.of(stored, picked[r], DType.F32, inputs, t * 160, 160);
                    expected.check(sum[t * picked.length + r], type + " shard");
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void aPackedWeightHasThePredictedBytes(TensorType type) {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(type, 32, 512, 3);
            PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), DType.F32);
            double predicted = device.kernels().bytesPerWeight(type, DType.F32) * 32 * 512;
            assertEquals(predicted, (double) weight.bytes());
        }
    }

    @Test
    default void segmentsOfDifferentTypesAreConcatenated() {
        try (TestDevice device = device()) {
            List<StoredMatrix> segments =
                    List.of(
                            StoredMatrix.random(TensorType.Q8_0, 20, 64, 1),
                            StoredMatrix.random(TensorType.Q4_1, 9, 64, 2),
                            StoredMatrix.random(TensorType.Q6_K, 16, 64, 4),
                            StoredMatrix.random(TensorType.F16, 17, 64, 3));
            PackedWeight weight =
                    device.kernels()
                            .prepare(
                                    segments.stream().map(StoredMatrix::whole).toList(),
                                    DType.BF16);
            assertEquals(62, weight.rows());
            Tensor x = activations(device, 5, 64, 4);
            Tensor out = device.zeros(DType.F32, 5, 62);
            device.kernels().matmul(x, weight, out);
            float[] inputs = device.floats(x);
            float[] outputs = device.floats(out);
            for (int t = 0; t < 5; t++) {
                int column = 0;
                for (StoredMatrix segment : segments) {
                    for (int r = 0; r < segment.rows(); r++) {
                        Product.of(segment, r, DType.BF16, inputs, t * 64, 64)
                                .check(outputs[t * 62 + column++], segment.type() + " segment");
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void onlyTheOutputsOfTheWeightAreWritten(TensorType type) {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(type, 7, 32, 5);
            PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), DType.F32);
            float[] before = new float[4 * 30];
            Arrays.fill(before, 42);
            Tensor wide = device.floats(4, 30, before);
            device.kernels().matmul(activations(device, 4, 32, 6), weight, wide.columns(10, 17));
            float[] after = device.floats(wide);
            for (int i = 0; i < after.length; i++) {
                boolean written = i % 30 >= 10 && i % 30 < 17;
                assertTrue(written || after[i] == 42, "element " + i + " was overwritten");
            }
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_ALL, names = "I?Q.*")
    default void aCutOffAMultipleOfThirtyTwoColumnsIsRefused(TensorType type) {
        StoredMatrix stored = StoredMatrix.random(type, 2, 256, 5);
        IllegalArgumentException refused =
                assertThrows(
                        IllegalArgumentException.class, () -> stored.shard(new int[] {0}, 32, 80));
        assertEquals(
                "test.%s: columns [32, 80) of %s cannot be cut there, only at multiples of 32: use fewer ranks"
                        .formatted(type, type),
                refused.getMessage());
    }

    @Test
    default void anEmptyShardGivesZerosOrNoOutputs() {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(TensorType.Q8_0, 3, 64, 9);
            PackedWeight noColumns =
                    device.kernels()
                            .prepare(List.of(stored.shard(new int[] {0, 1, 2}, 32, 32)), DType.F32);
            Tensor out = device.floats(2, 3, 1, 2, 3, 4, 5, 6);
            device.kernels().matmul(device.zeros(DType.F32, 2, 0), noColumns, out);
            assertArrayEquals(new float[6], device.floats(out));
            PackedWeight noRows =
                    device.kernels().prepare(List.of(stored.shard(new int[0], 0, 64)), DType.F32);
            assertEquals(0, noRows.rows());
            device.kernels()
                    .matmul(device.zeros(DType.F32, 2, 64), noRows, device.zeros(DType.F32, 2, 0));
        }
    }

    @Test
    default void zeroAndTinyActivationsGiveZeroNotNaN() {
        try (TestDevice device = device()) {
            for (TensorType type : TensorType.values()) {
                PackedWeight weight =
                        device.kernels()
                                .prepare(
                                        List.of(StoredMatrix.random(type, 5, 32, 3).whole()),
                                        DType.F32);
                float[] x = new float[2 * 32];
                Arrays.fill(x, 32, 64, Float.MIN_VALUE);
                Tensor out = device.zeros(DType.F32, 2, 5);
                device.kernels().matmul(device.floats(2, 32, x), weight, out);
                for (float value : device.floats(out)) {
                    // 32 products of at most 6 standard deviations and the smallest float.
                    assertEquals(0, value, 1e-40, type.toString());
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void aNaNAffectsOnlyItsOwnRow(TensorType type) {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(type, 5, 64, 3);
            PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), DType.F32);
            float[] x = new float[3 * 64];
            x[64 + 40] = Float.NaN;
            Tensor out = device.zeros(DType.F32, 3, 5);
            device.kernels().matmul(device.floats(3, 64, x), weight, out);
            float[] values = device.floats(out);
            for (int i = 0; i < values.length; i++) {
                assertEquals(i / 5 == 1, Float.isNaN(values[i]), "element " + i);
            }
        }
    }

    @Test
    default void mismatchedShapesAreRefusedByName() {
        try (TestDevice device = device()) {
            PackedWeight weight =
                    device.kernels()
                            .prepare(
                                    List.of(StoredMatrix.random(TensorType.F32, 5, 8, 1).whole()),
                                    DType.F32);
            Tensor out = device.zeros(DType.F32, 2, 5);
            IllegalArgumentException wrong =
                    assertThrows(
                            IllegalArgumentException.class,
                            () ->
                                    device.kernels()
                                            .matmul(device.zeros(DType.F32, 2, 9), weight, out));
            assertEquals("x is F32 [2, 9], needs F32 [2, 8]", wrong.getMessage());
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                            device.kernels()
                                    .matmul(
                                            device.zeros(DType.F32, 2, 8),
                                            weight,
                                            device.zeros(DType.F32, 3, 5)));
        }
    }

    /// Returns standard normal rows, one of them much larger than the others.
    static Tensor activations(TestDevice device, int tokens, int columns, long seed) {
        var random = new Random(seed);
        float[] values = new float[tokens * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian() * (i / columns == 1 ? 100 : 1);
        }
        return device.floats(tokens, columns, values);
    }

    private static void check(
            TestDevice device, TensorType type, DType compute, int rows, int columns, int tokens) {
        StoredMatrix stored = StoredMatrix.random(type, rows, columns, rows * 31L + columns);
        PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), compute);
        Tensor x = activations(device, tokens, columns, tokens);
        Tensor out = device.zeros(DType.F32, tokens, rows);
        device.kernels().matmul(x, weight, out);
        float[] inputs = device.floats(x);
        float[] outputs = device.floats(out);
        for (int t = 0; t < tokens; t++) {
            for (int r = 0; r < rows; r++) {
                Product.of(stored, r, compute, inputs, t * columns, columns)
                        .check(
                                outputs[t * rows + r],
                                "%s rows %d columns %d tokens %d at [%d, %d]"
                                        .formatted(type, rows, columns, tokens, t, r));
            }
        }
    }

    /// A dot product in double and the tolerance for an implementation.
    record Product(double value, double tolerance) {
        // Half a unit in the last place, relative.
        private static final double F32 = 0x1p-24;
        private static final double BF16 = 0x1p-8;

        static Product of(
                StoredMatrix stored, int row, DType compute, float[] x, int at, int columns) {
            double value = 0;
            double magnitude = 0;
            double rounding = 0;
            for (int column = 0; column < columns; column++) {
                double w = stored.at(row, column);
                value += w * x[at + column];
                magnitude += Math.abs(w * x[at + column]);
                if (stored.type().isQuantized()) {
                    rounding += Math.abs(w) * halfStep(x, at + column / 32 * 32);
                }
            }
            // Every addition rounds once; a quantized block rounds its few terms, which may cancel.
            double tolerance = magnitude * F32 * (columns + 8) + rounding * 1.0001;
            if (stored.type().isQuantized()) {
                tolerance += cancelled(stored, row, x, at, columns) * F32 * 8;
            }
            if (compute == DType.BF16 && !stored.type().isQuantized()) {
                // Weight and activation are rounded; products of both roundings are below 1 %.
                tolerance += magnitude * 2.01 * BF16;
            }
            return new Product(value, tolerance);
        }

        void check(double actual, String what) {
            assertEquals(value, actual, tolerance, what);
        }

        // Activations are rounded to a multiple of absmax / 127.
        private static double halfStep(float[] x, int block) {
            double largest = 0;
            for (int i = block; i < block + 32; i++) {
                largest = Math.max(largest, Math.abs(x[i]));
            }
            return largest / 254;
        }

        // Scale and minimum terms, which are added one after the other, by magnitude.
        private static double cancelled(
                StoredMatrix stored, int row, float[] x, int at, int columns) {
            double sum = 0;
            for (int column = 0; column < columns; column++) {
                StoredElement element = stored.element(row, column);
                double minimum = Math.abs((double) element.min() * element.subMin());
                if (minimum > 0) {
                    sum += Math.abs(x[at + column]) * (Math.abs(element.value()) + 2 * minimum);
                }
            }
            return sum * columns / 32;
        }
    }
}
