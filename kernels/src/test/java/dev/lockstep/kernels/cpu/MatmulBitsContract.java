// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KernelsContract;
import dev.lockstep.kernels.MatmulContract;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Rounding;
import dev.lockstep.kernels.StoredElement;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The contract of law 6 for products on a CPU: the same bits in any batch, equal to the definition
/// in [MatmulOps] where it fixes them.
interface MatmulBitsContract extends KernelsContract {
    int TOKENS = 64;
    int ROWS = 53;
    int COLUMNS = 480;

    /// The first of these columns: within the first block of 256, which they extend beyond.
    int FIRST = 96;

    /// Returns whether bf16 products use the bf16 instruction, whose bits the definition does not
    /// fix.
    boolean hasBf16Instruction();

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void aRowHasTheSameBitsInEveryBatch(TensorType type) {
        try (TestDevice device = device()) {
            for (DType compute : computeTypes(type)) {
                PackedWeight weight = weight(device, type, compute);
                Tensor x = MatmulContract.activations(device, TOKENS, COLUMNS, 2);
                int[] all = multiply(device, x, weight);
                for (int chunk = 1; chunk < TOKENS; chunk++) {
                    for (int from = 0; from < TOKENS; from += chunk) {
                        int to = Math.min(TOKENS, from + chunk);
                        assertArrayEquals(
                                Arrays.copyOfRange(all, from * ROWS, to * ROWS),
                                multiply(device, x.rows(from, to), weight),
                                "%s in chunks of %d, from %d".formatted(type, chunk, from));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void aRowHasTheSameBitsWithAnyNumberOfThreads(TensorType type) {
        for (DType compute : computeTypes(type)) {
            List<int[]> results =
                    IntStream.rangeClosed(1, 4)
                            .mapToObj(
                                    threads -> {
                                        try (var device = new TestDevice(open(threads))) {
                                            Tensor x =
                                                    MatmulContract.activations(
                                                            device, TOKENS, COLUMNS, 2);
                                            return multiply(
                                                    device, x, weight(device, type, compute));
                                        }
                                    })
                            .toList();
            results.forEach(bits -> assertArrayEquals(results.getFirst(), bits));
        }
    }

    /// So many columns that a few tokens and a few rows fill the caches: the driver multiplies
    /// groups of tokens by groups of tiles.
    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q6_K", "E4M3", "IQ2_XXS", "IQ2_S"})
    default void aRowHasTheSameBitsInGroupsThatFitTheCaches(TensorType type) {
        int columns = 1 << 14;
        int rows = 9 * MatmulOps.TILE_ROWS + 5;
        int tokens = 61;
        WeightRows whole = StoredMatrix.random(type, rows, columns, 7).whole();
        for (DType compute : computeTypes(type)) {
            try (TestDevice device = device()) {
                PackedWeight weight = device.kernels().prepare(List.of(whole), compute);
                Tensor x = MatmulContract.activations(device, tokens, columns, 2);
                int[] all = multiply(device, x, weight);
                for (int token = 0; token < tokens; token++) {
                    assertArrayEquals(
                            Arrays.copyOfRange(all, token * rows, (token + 1) * rows),
                            multiply(device, x.rows(token, token + 1), weight),
                            "%s, token %d".formatted(type, token));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void bitsMatchTheDefinition(TensorType type) {
        try (TestDevice device = device()) {
            for (DType compute : computeTypes(type)) {
                if (compute == DType.BF16 && hasBf16Instruction()) {
                    continue;
                }
                Tensor x = MatmulContract.activations(device, 9, COLUMNS, 3);
                int[] actual = multiply(device, x, weight(device, type, compute));
                assertArrayEquals(
                        Definition.bits(stored(type), compute, device.floats(x), 9),
                        actual,
                        type + " computed in " + compute);
            }
        }
    }

    /// Whoever picks a type of so few bits does so because of memory.
    @ParameterizedTest
    @EnumSource(
            names = {
                "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "TQ1_0", "TQ2_0"
            })
    default void packedGridBlocksTakeAtMostATenthMoreThanTheirFile(TensorType type) {
        try (TestDevice device = device()) {
            assertTrue(type.hasGridBlocks());
            StoredMatrix stored = StoredMatrix.random(type, 64, 512, 1);
            PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), DType.F32);
            assertTrue(weight.bytes() >= stored.data().byteSize());
            assertTrue(weight.bytes() <= 1.1 * stored.data().byteSize());
            assertEquals(weight.bytes(), device.kernels().packedBytes(type, DType.F32, 64, 512, 0));
        }
    }

    /// Short floats are rounded to bf16 where they are multiplied, as in a decoded matrix.
    @ParameterizedTest
    @EnumSource(names = {"E4M3", "NVFP4", "NF4", "FP4"})
    default void productsOfShortFloatsHaveTheBitsOfADecodedMatrix(TensorType type) {
        for (DType compute : computeTypes(type)) {
            try (TestDevice device = device()) {
                StoredMatrix stored = stored(type);
                short[] decoded = new short[ROWS * COLUMNS];
                for (int i = 0; i < decoded.length; i++) {
                    double value = stored.at(i / COLUMNS, FIRST + i % COLUMNS);
                    decoded[i] = Rounding.toBf16((float) value);
                }
                var plain =
                        new StoredMatrix(
                                TensorType.BF16, ROWS, COLUMNS, MemorySegment.ofArray(decoded));
                PackedWeight expected = device.kernels().prepare(List.of(plain.whole()), compute);
                Tensor x = MatmulContract.activations(device, 13, COLUMNS, 5);
                assertArrayEquals(
                        multiply(device, x, expected),
                        multiply(device, x, weight(device, stored, compute)),
                        "computed in " + compute);
            }
        }
    }

    /// Segments of different orders, with inputs that are prepared in every way.
    @ParameterizedTest
    @EnumSource(
            names = {"F32", "BF16", "Q4_0", "Q8_ZERO", "Q4_ZERO_32", "Q4_ZERO_128", "NF4", "FP4"})
    default void columnsMultiplyTheInputsOfTheirOrder(TensorType type) {
        StoredMatrix stored = StoredMatrix.random(type, ROWS, 256, 4);
        var random = new Random(8);
        List<int[]> orders = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            List<Integer> columns = new ArrayList<>(IntStream.range(0, 256).boxed().toList());
            Collections.shuffle(columns, random);
            orders.add(columns.stream().mapToInt(Integer::intValue).toArray());
        }
        WeightRows whole = stored.whole();
        for (DType compute : computeTypes(type)) {
            for (int tokens : new int[] {1, 3, 9}) {
                try (TestDevice device = device()) {
                    Tensor x = MatmulContract.activations(device, tokens, 256, 5);
                    PackedWeight three =
                            device.kernels()
                                    .prepare(
                                            List.of(
                                                    ordered(whole, orders.get(0)),
                                                    whole,
                                                    ordered(whole, orders.get(1)),
                                                    ordered(whole, orders.get(1).clone())),
                                            compute);
                    PackedWeight one = device.kernels().prepare(List.of(whole), compute);
                    int[] inOrder = multiply(device, x, one);
                    int[] first = multiply(device, inputs(device, x, orders.get(0)), one);
                    int[] second = multiply(device, inputs(device, x, orders.get(1)), one);
                    int[] all = multiply(device, x, three);
                    for (int token = 0; token < tokens; token++) {
                        int part = 0;
                        for (int[] expected : List.of(first, inOrder, second, second)) {
                            int at = (4 * token + part++) * ROWS;
                            assertArrayEquals(
                                    Arrays.copyOfRange(expected, token * ROWS, (token + 1) * ROWS),
                                    Arrays.copyOfRange(all, at, at + ROWS));
                        }
                    }
                }
            }
        }
    }

    private static WeightRows ordered(WeightRows rows, int[] order) {
        return new WeightRows(
                rows.name(),
                rows.data(),
                rows.type(),
                rows.sourceColumns(),
                rows.rows(),
                0,
                rows.sourceColumns(),
                Optional.of(order));
    }

    private static Tensor inputs(TestDevice device, Tensor x, int[] order) {
        float[] values = device.floats(x);
        float[] chosen = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            chosen[i] = values[i / order.length * order.length + order[i % order.length]];
        }
        return device.floats(x.rows(), x.columns(), chosen);
    }

    @Test
    default void anOrderOfOtherColumnsIsRefused() {
        WeightRows whole = StoredMatrix.random(TensorType.Q4_0, 2, 64, 4).whole();
        int[] beyond = IntStream.rangeClosed(1, 64).toArray();
        assertEquals(
                "test.Q4_0: input 64 of 64",
                assertThrows(IllegalArgumentException.class, () -> ordered(whole, beyond))
                        .getMessage());
        assertEquals(
                "test.Q4_0: an order of 3 columns for 64 of 64",
                assertThrows(IllegalArgumentException.class, () -> ordered(whole, new int[3]))
                        .getMessage());
    }

    /// A rank's columns may begin and end within a block.
    @ParameterizedTest
    @EnumSource(names = {"E4M3", "NVFP4", "NF4", "FP4"})
    default void columnsOfACutAreThoseOfADecodedMatrix(TensorType type) {
        int[] rows = IntStream.range(0, ROWS).toArray();
        int[][] cuts = {{0, 32}, {32, 64}, {0, 64}, {32, 96}, {64, 128}, {64, 352}};
        for (DType compute : computeTypes(type)) {
            for (int[] cut : cuts) {
                try (TestDevice device = device()) {
                    StoredMatrix stored = stored(type);
                    int columns = cut[1] - cut[0];
                    short[] decoded = new short[ROWS * columns];
                    for (int i = 0; i < decoded.length; i++) {
                        double value = stored.at(i / columns, cut[0] + i % columns);
                        decoded[i] = Rounding.toBf16((float) value);
                    }
                    var plain =
                            new StoredMatrix(
                                    TensorType.BF16, ROWS, columns, MemorySegment.ofArray(decoded));
                    PackedWeight expected =
                            device.kernels().prepare(List.of(plain.whole()), compute);
                    PackedWeight actual =
                            device.kernels()
                                    .prepare(List.of(stored.shard(rows, cut[0], cut[1])), compute);
                    for (int tokens : new int[] {1, 3, 8, 13}) {
                        Tensor x = MatmulContract.activations(device, tokens, columns, 5);
                        assertArrayEquals(
                                multiply(device, x, expected),
                                multiply(device, x, actual),
                                "%s, columns %d to %d, %d tokens"
                                        .formatted(compute, cut[0], cut[1], tokens));
                    }
                }
            }
        }
    }

    /// A rank may have no column of a matrix that is cut at blocks.
    @ParameterizedTest
    @EnumSource(TensorType.class)
    default void theProductOfNoColumnsIsZero(TensorType type) {
        int[] rows = IntStream.range(0, ROWS).toArray();
        for (DType compute : computeTypes(type)) {
            try (TestDevice device = device()) {
                WeightRows none = stored(type).shard(rows, FIRST, FIRST);
                PackedWeight weight = device.kernels().prepare(List.of(none), compute);
                for (int tokens : new int[] {1, 3, 13}) {
                    float[] before = new float[tokens * ROWS];
                    Arrays.fill(before, Float.NaN);
                    Tensor out = device.floats(tokens, ROWS, before);
                    device.kernels().matmul(device.zeros(DType.F32, tokens, 0), weight, out);
                    assertArrayEquals(new int[before.length], device.bits(out));
                }
            }
        }
    }

    /// Scales beyond the range of bf16 and E4M3, codes of every kind, and a NaN in one column only.
    @Test
    default void extremesOfFp8AreThoseOfADecodedMatrix() {
        float[] scales = {
            0x1p-149f, 0x1p-126f, 0x1p-120f, 1e30f, Float.MAX_VALUE, -3f, 0, 0x1p127f
        };
        int size = TensorType.E4M3.blockSize();
        int bytes = TensorType.E4M3.blockBytes();
        MemorySegment data = MemorySegment.ofArray(new byte[(scales.length + 2) * 2 * bytes]);
        short[] decoded = new short[(scales.length + 2) * 2 * size];
        for (int row = 0; row < scales.length + 2; row++) {
            float scale = row < scales.length ? scales[row] : 0.5f;
            for (int column = 0; column < 2 * size; column++) {
                MemorySegment block = data.asSlice((2L * row + column / size) * bytes, bytes);
                block.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 0, scale);
                boolean nan = row == scales.length && column == 70;
                int code = nan ? 0xFF : column % 127 + 128 * (column / 127);
                block.set(ValueLayout.JAVA_BYTE, 4 + column % size, (byte) code);
            }
        }
        var stored = new StoredMatrix(TensorType.E4M3, scales.length + 2, 2 * size, data);
        for (int i = 0; i < decoded.length; i++) {
            decoded[i] = Rounding.toBf16((float) stored.at(i / (2 * size), i % (2 * size)));
        }
        var plain =
                new StoredMatrix(
                        TensorType.BF16,
                        stored.rows(),
                        stored.columns(),
                        MemorySegment.ofArray(decoded));
        float[] x = new float[3 * stored.columns()];
        for (int i = 0; i < x.length; i++) {
            x[i] = i % 5 - 2;
        }
        for (DType compute : computeTypes(TensorType.E4M3)) {
            try (TestDevice device = device()) {
                Tensor activations = device.floats(3, stored.columns(), x);
                float[] actual = values(device, activations, stored, compute);
                assertArrayEquals(values(device, activations, plain, compute), actual);
                for (int i = 0; i < actual.length; i++) {
                    if (i % stored.rows() == scales.length) {
                        assertTrue(Float.isNaN(actual[i]));
                    }
                }
            }
        }
    }

    private static float[] values(TestDevice device, Tensor x, StoredMatrix stored, DType compute) {
        PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), compute);
        Tensor out = device.zeros(DType.F32, x.rows(), weight.rows());
        device.kernels().matmul(x, weight, out);
        return device.floats(out);
    }

    /// The extremes of codes and activations, which exceed 16 bits where a kernel adds too many.
    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"F32", "F16", "BF16", "E4M3", "NVFP4", "NF4", "FP4"})
    default void sumsOfExtremesDoNotOverflow(TensorType type) {
        float[] x = new float[4 * COLUMNS];
        for (int column = 0; column < COLUMNS; column++) {
            x[column] = 1;
            x[COLUMNS + column] = -1;
            x[2 * COLUMNS + column] = column % 2 == 0 ? 1 : -1;
            x[3 * COLUMNS + column] = column % 4 < 2 ? 1 : -1;
        }
        try (TestDevice device = device()) {
            Tensor activations = device.floats(4, COLUMNS, x);
            for (int code : new int[] {0, 0x7F, 0x80, 0xFF}) {
                StoredMatrix stored = StoredMatrix.ofBytes(type, ROWS, FIRST + COLUMNS, code);
                assertArrayEquals(
                        Definition.bits(stored, DType.F32, x, 4),
                        multiply(device, activations, weight(device, stored, DType.F32)),
                        "codes of " + code);
            }
        }
    }

    /// Covers the chunks of tokens that fit a cache, of columns that fit a kernel's arrays, and
    /// rows that are moved because they would evict each other.
    @ParameterizedTest
    @EnumSource(names = {"F32", "Q8_0", "Q4_0", "Q2_K", "Q6_K", "IQ4_NL"})
    default void longRowsHaveTheSameBitsInEveryBatch(TensorType type) {
        try (TestDevice device = device()) {
            int tokens = 21;
            int columns = 20480;
            StoredMatrix stored = StoredMatrix.random(type, 5, columns, 1);
            PackedWeight weight = device.kernels().prepare(List.of(stored.whole()), DType.F32);
            Tensor x = MatmulContract.activations(device, tokens, columns, 2);
            int[] all = multiply(device, x, weight);
            for (int t = 0; t < tokens; t++) {
                assertArrayEquals(
                        Arrays.copyOfRange(all, t * 5, t * 5 + 5),
                        multiply(device, x.rows(t, t + 1), weight));
            }
        }
    }

    private static List<DType> computeTypes(TensorType type) {
        return type.multipliesInt8() ? List.of(DType.F32) : List.of(DType.F32, DType.BF16);
    }

    private static PackedWeight weight(TestDevice device, TensorType type, DType compute) {
        return weight(device, stored(type), compute);
    }

    private static PackedWeight weight(TestDevice device, StoredMatrix stored, DType compute) {
        int[] rows = IntStream.range(0, ROWS).toArray();
        WeightRows shard = stored.shard(rows, FIRST, FIRST + COLUMNS);
        return device.kernels().prepare(List.of(shard), compute);
    }

    private static StoredMatrix stored(TensorType type) {
        return StoredMatrix.random(type, ROWS, FIRST + COLUMNS, 1);
    }

    private static int[] multiply(TestDevice device, Tensor x, PackedWeight weight) {
        Tensor out = device.zeros(DType.F32, x.rows(), weight.rows());
        device.kernels().matmul(x, weight, out);
        return device.bits(out);
    }

    /// The sums of [MatmulOps] as scalar loops.
    final class Definition {
        private Definition() {}

        static int[] bits(StoredMatrix stored, DType compute, float[] x, int tokens) {
            int rows = stored.rows();
            int[] bits = new int[tokens * rows];
            for (int t = 0; t < tokens; t++) {
                float[] row = Arrays.copyOfRange(x, t * COLUMNS, (t + 1) * COLUMNS);
                for (int r = 0; r < rows; r++) {
                    float sum =
                            stored.type().multipliesInt8()
                                    ? quantized(stored, r, row)
                                    : plain(stored, r, compute, row);
                    bits[t * rows + r] = Float.floatToRawIntBits(sum);
                }
            }
            return bits;
        }

        private static float plain(StoredMatrix stored, int row, DType compute, float[] x) {
            float sum = 0;
            for (int column = 0; column < x.length; column++) {
                float w = (float) stored.at(row, FIRST + column);
                sum = Math.fma(Rounding.of(w, compute), Rounding.of(x[column], compute), sum);
            }
            return sum;
        }

        private static float quantized(StoredMatrix stored, int row, float[] x) {
            float sum = 0;
            int[] q = new int[32];
            for (int start = 0; start < x.length; start += 32) {
                float largest = 0;
                for (int i = 0; i < 32; i++) {
                    largest = Math.max(largest, Math.abs(x[start + i]));
                }
                for (int i = 0; i < 32; i++) {
                    q[i] = (int) Math.rint(x[start + i] * (127f / largest));
                }
                float scale = largest / 127f;
                sum =
                        switch (stored.type()) {
                            case Q2_K,
                                    Q3_K,
                                    Q6_K,
                                    IQ4_XS,
                                    IQ1_S,
                                    IQ1_M,
                                    IQ2_XXS,
                                    IQ2_XS,
                                    IQ2_S,
                                    IQ3_XXS,
                                    IQ3_S,
                                    TQ1_0,
                                    TQ2_0 ->
                                    halves(stored, row, start, q, scale, sum);
                            default -> whole(stored, row, start, q, scale, sum);
                        };
            }
            return sum;
        }

        /// Adds a sub-block with one scale, and possibly a minimum, for 32 columns.
        private static float whole(
                StoredMatrix stored, int row, int start, int[] q, float scale, float sum) {
            int dot = 0;
            int total = 0;
            for (int i = 0; i < 32; i++) {
                dot += q[i] * stored.element(row, FIRST + start + i).q();
                total += q[i];
            }
            StoredElement own = stored.element(row, FIRST + start);
            float added = Math.fma(own.scale() * own.subScale() * scale, (float) dot, sum);
            float minimum = -(own.min() * own.subMin());
            return hasMinimum(stored.type()) ? Math.fma(minimum, scale * total, added) : added;
        }

        /// Adds a sub-block with integer scales, and possibly minimums, for each half of 16
        /// columns.
        private static float halves(
                StoredMatrix stored, int row, int start, int[] q, float scale, float sum) {
            int dot = 0;
            int min = 0;
            for (int i = 0; i < 32; i++) {
                StoredElement element = stored.element(row, FIRST + start + i);
                dot += q[i] * element.q() * element.subScale();
                min += q[i] * element.subMin();
            }
            StoredElement own = stored.element(row, FIRST + start);
            float added = Math.fma(own.scale() * scale, (float) dot, sum);
            return hasMinimum(stored.type())
                    ? Math.fma(own.min() * scale, (float) -min, added)
                    : added;
        }

        private static boolean hasMinimum(TensorType type) {
            return switch (type) {
                case Q4_1,
                        Q5_1,
                        Q2_K,
                        Q4_K,
                        Q5_K,
                        Q4_OFFSET,
                        Q4_ZERO,
                        Q8_OFFSET,
                        Q4_ZERO_32,
                        Q4_ZERO_128,
                        Q8_ZERO,
                        Q8_ZERO_32 ->
                        true;
                case F32,
                        F16,
                        BF16,
                        Q4_0,
                        Q5_0,
                        Q8_0,
                        IQ4_NL,
                        MXFP4,
                        Q3_K,
                        Q6_K,
                        IQ4_XS,
                        IQ1_S,
                        IQ1_M,
                        IQ2_XXS,
                        IQ2_XS,
                        IQ2_S,
                        IQ3_XXS,
                        IQ3_S,
                        TQ1_0,
                        TQ2_0,
                        E4M3,
                        NVFP4,
                        NF4,
                        FP4 ->
                        false;
            };
        }
    }
}
