// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The contract of packing and multiplying, for every stored type, against loops in double.
public interface MatmulContract extends KernelsContract {

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void productsStayWithinTheirErrorBound(TensorType type) {
        try (TestDevice device = device()) {
            DType compute = computeTypes().getFirst();
            for (int rows : new int[] {1, 7, 16, 33, 80}) {
                for (int tokens : new int[] {1, 2, 3, 5, 8, 13, 17}) {
                    check(device, type, compute, rows, 96, tokens);
                }
            }
            check(device, type, compute, 7, 32, 33);
            check(device, type, compute, 100, 1536, 3);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    default void plainWeightsComputeInEveryTypeOnRequest(TensorType type) {
        try (TestDevice device = device()) {
            for (DType compute : computeTypes()) {
                for (int tokens : new int[] {1, 4, 9}) {
                    check(device, type, compute, 33, 576, tokens);
                    check(device, type, compute, 7, 31, tokens);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    default void plainTypesAcceptAnyNumberOfColumns(TensorType type) {
        try (TestDevice device = device()) {
            for (DType compute : computeTypes()) {
                for (int columns : new int[] {1, 7, 33}) {
                    check(device, type, compute, 17, columns, 5);
                }
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
                PackedWeight weight = prepare(device, stored.shard(picked, cut[0], cut[1]));
                Tensor out = device.zeros(DType.F32, 3, picked.length);
                device.kernels().matmul(x.columns(cut[0], cut[1]), weight, out);
                float[] partial = device.floats(out);
                IntStream.range(0, sum.length).forEach(i -> sum[i] += partial[i]);
            }
            DType compute = computeTypes().getFirst();
            float[] inputs = device.floats(x);
            for (int t = 0; t < 3; t++) {
                for (int r = 0; r < picked.length; r++) {
                    Product product =
                            product(
                                    StoredRow.of(stored, picked[r]),
                                    compute,
                                    x.type(),
                                    inputs,
                                    t * 160,
                                    160);
                    product.check(sum[t * picked.length + r], DType.F32, () -> type + " shard");
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void aPackedWeightHasThePredictedBytes(TensorType type) {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(type, 33, 512, 3);
            int from = type.unit() == 1 ? 3 : 3 * type.unit();
            WeightRows part = stored.shard(IntStream.range(0, 33).toArray(), from, 512);
            for (WeightRows rows : List.of(stored.whole(), part)) {
                for (DType compute : computeTypes()) {
                    PackedWeight weight = device.kernels().prepare(List.of(rows), compute);
                    long predicted =
                            device.kernels()
                                    .packedBytes(
                                            type,
                                            compute,
                                            33,
                                            rows.columns(),
                                            rows.skippedColumns());
                    assertEquals(predicted, weight.bytes());
                }
            }
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
            DType compute = computeTypes().getLast();
            PackedWeight weight =
                    device.kernels()
                            .prepare(segments.stream().map(StoredMatrix::whole).toList(), compute);
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
                        product(StoredRow.of(segment, r), compute, x.type(), inputs, t * 64, 64)
                                .check(
                                        outputs[t * 62 + column++],
                                        out.type(),
                                        () -> segment.type() + " segment");
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
            PackedWeight weight = prepare(device, stored.whole());
            float[] before = new float[4 * 30];
            Arrays.fill(before, 42);
            Tensor wide = device.activations(4, 30, before);
            device.kernels().matmul(activations(device, 4, 32, 6), weight, wide.columns(10, 17));
            float[] after = device.floats(wide);
            for (int i = 0; i < after.length; i++) {
                boolean written = i % 30 >= 10 && i % 30 < 17;
                assertTrue(written || after[i] == 42, "element " + i + " was overwritten");
            }
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_ALL, names = "MXFP4|I?Q.*|E4M3|NVFP4|NF4|FP4")
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
            PackedWeight noColumns = prepare(device, stored.shard(new int[] {0, 1, 2}, 32, 32));
            for (DType type : device.floatTypes()) {
                Tensor out = device.tensor(type, 2, 3, 1, 2, 3, 4, 5, 6);
                device.kernels().matmul(device.zeros(2, 0), noColumns, out);
                assertArrayEquals(new float[6], device.floats(out));
            }
            PackedWeight noRows = prepare(device, stored.shard(new int[0], 0, 64));
            assertEquals(0, noRows.rows());
            device.kernels().matmul(device.zeros(2, 64), noRows, device.zeros(2, 0));
            PackedWeight weight = prepare(device, stored.whole());
            device.kernels().matmul(device.zeros(0, 64), weight, device.zeros(0, 3));
        }
    }

    @Test
    default void zeroAndTinyActivationsGiveZeroNotNaN() {
        try (TestDevice device = device()) {
            for (TensorType type : TensorType.values()) {
                StoredMatrix stored = StoredMatrix.random(type, 5, 32, 3);
                PackedWeight weight = prepare(device, stored.whole());
                float[] x = new float[2 * 32];
                Arrays.fill(x, 32, 64, Float.MIN_VALUE);
                Tensor out = device.zeros(DType.F32, 2, 5);
                device.kernels().matmul(device.activations(2, 32, x), weight, out);
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
            PackedWeight weight = prepare(device, stored.whole());
            float[] x = new float[3 * 64];
            x[64 + 40] = Float.NaN;
            Tensor out = device.zeros(DType.F32, 3, 5);
            device.kernels().matmul(device.activations(3, 64, x), weight, out);
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
                    prepare(device, StoredMatrix.random(TensorType.F32, 5, 8, 1).whole());
            Tensor out = device.zeros(2, 5);
            IllegalArgumentException wrong =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> device.kernels().matmul(device.zeros(2, 9), weight, out));
            assertEquals(
                    "x is %1$s [2, 9], needs %1$s [2, 8]".formatted(device.activationType()),
                    wrong.getMessage());
            assertThrows(
                    IllegalArgumentException.class,
                    () -> device.kernels().matmul(device.zeros(2, 8), weight, device.zeros(3, 5)));
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void aProductHasTheSameBitsInARerun(TensorType type) {
        StoredMatrix stored = StoredMatrix.random(type, 33, 576, 2);
        for (DType compute : computeTypes()) {
            List<int[]> runs = new ArrayList<>();
            for (int run = 0; run < 2; run++) {
                try (TestDevice device = device()) {
                    PackedWeight weight =
                            device.kernels().prepare(List.of(stored.whole()), compute);
                    Tensor out = device.zeros(9, 33);
                    device.kernels().matmul(activations(device, 9, 576, 5), weight, out);
                    runs.add(device.bits(out));
                }
            }
            assertArrayEquals(runs.getFirst(), runs.getLast(), "computed in " + compute);
        }
    }

    /// Returns standard normal rows, one of them much larger than the others.
    static Tensor activations(TestDevice device, int tokens, int columns, long seed) {
        var random = new Random(seed);
        float[] values = new float[tokens * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian() * (i / columns == 1 ? 100 : 1);
        }
        return device.activations(tokens, columns, values);
    }

    private PackedWeight prepare(TestDevice device, WeightRows rows) {
        return device.kernels().prepare(List.of(rows), computeTypes().getFirst());
    }

    private void check(
            TestDevice device, TensorType type, DType compute, int rows, int columns, int tokens) {
        StoredMatrix stored = StoredMatrix.random(type, rows, columns, rows * 31L + columns);
        PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), compute);
        Tensor x = activations(device, tokens, columns, tokens);
        float[] inputs = device.floats(x);
        List<Product> products = new ArrayList<>();
        List<StoredRow> decoded =
                IntStream.range(0, rows).mapToObj(r -> StoredRow.of(stored, r)).toList();
        for (int t = 0; t < tokens; t++) {
            for (StoredRow row : decoded) {
                products.add(product(row, compute, x.type(), inputs, t * columns, columns));
            }
        }
        for (DType result : device.floatTypes()) {
            Tensor out = device.zeros(result, tokens, rows);
            device.kernels().matmul(x, weight, out);
            float[] outputs = device.floats(out);
            for (int i = 0; i < outputs.length; i++) {
                int t = i / rows;
                int r = i % rows;
                products.get(i)
                        .check(
                                outputs[i],
                                result,
                                () ->
                                        "%s rows %d columns %d tokens %d at [%d, %d]"
                                                .formatted(type, rows, columns, tokens, t, r));
            }
        }
    }

    private Product product(
            StoredRow row, DType compute, DType activation, float[] x, int at, int columns) {
        boolean int8 = row.type().multipliesInt8() && quantizesActivations();
        Product product = Product.of(row, int8, compute, activation, x, at, columns);
        return new Product(product.value(), product.bound() * tolerances().products());
    }

    /// A dot product in double and the bound of its error, before its rounding to a shorter type.
    record Product(double value, double bound) {

        /// Returns the product of a row of weights and `x`, whose values are those of the type
        /// `activation`.
        ///
        /// @param int8 whether the activations are quantized to int8 for it
        static Product of(
                StoredRow row,
                boolean int8,
                DType compute,
                DType activation,
                float[] x,
                int at,
                int columns) {
            double value = 0;
            double magnitude = 0;
            double rounding = 0;
            double halfStep = 0;
            for (int column = 0; column < columns; column++) {
                double w = row.values()[column];
                value += w * x[at + column];
                magnitude += Math.abs(w * x[at + column]);
                if (int8) {
                    halfStep = column % 32 == 0 ? halfStep(x, at + column) : halfStep;
                    rounding += Math.abs(w) * halfStep;
                }
            }
            double f32 = Rounding.unit(DType.F32);
            // Every addition rounds once; a quantized block rounds its few terms, which may cancel.
            double bound = magnitude * f32 * (columns + 8) + rounding * 1.0001;
            if (row.type().multipliesInt8()) {
                bound += cancelled(row, x, at, columns) * f32 * 8;
            }
            if (compute == DType.BF16 && !int8) {
                // The weight is rounded, and so are activations of a longer type; products of both
                // roundings are below 1 %.
                double roundings = activation == DType.BF16 ? 1.005 : 2.01;
                bound += magnitude * roundings * Rounding.unit(DType.BF16);
            }
            return new Product(value, bound);
        }

        void check(double actual, DType stored, Supplier<@Nullable String> what) {
            Rounding.requireClose(value, actual, bound, stored, what);
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
        private static double cancelled(StoredRow row, float[] x, int at, int columns) {
            double sum = 0;
            for (int column = 0; column < columns; column++) {
                double minimum = row.minima()[column];
                if (minimum > 0) {
                    sum +=
                            Math.abs(x[at + column])
                                    * (Math.abs(row.values()[column]) + 2 * minimum);
                }
            }
            return sum * columns / 32;
        }
    }
}
