// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Rounding;
import dev.lockstep.kernels.StoredMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Norms, element ops and look-ups of rows against plain loops, at odd sizes and with gaps between
/// rows, in several orders of their threads.
@Tag("processes")
final class RowKernelsTest {
    private static final int ROWS = 3;
    private static final int COLUMNS = 157;
    private static final float EPSILON = 1e-5f;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment word = arena.allocate(32, 8);

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void rowsAreNormed(DType type) {
        DeviceMatrix x = random(type, 1);
        DeviceMatrix residual = random(type, 2);
        DeviceValues weight = random(DType.F32, 3).values();
        double[][] sums = x.toArray();
        map(sums, (r, c, a) -> Rounding.of((float) (a + residual.at(r, c)), type));

        DeviceMatrix out = poisoned(type);
        call("rms_norm", type)
                .view(x)
                .pointer(weight.memory())
                .output(out)
                .number(EPSILON)
                .number(0)
                .run(ROWS, 64);
        out.requireClose(normed(x.toArray(), weight), 2);

        DeviceMatrix both = poisoned(type);
        call("add_rms_norm", type)
                .view(x)
                .output(residual)
                .pointer(weight.memory())
                .output(both)
                .number(EPSILON)
                .number(0)
                .run(ROWS, 256);
        residual.requireClose(sums, 0);
        both.requireClose(normed(sums, weight), 2);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void rowsAreNormedByMeanAndVariance(DType type) {
        DeviceMatrix x = random(type, 1);
        DeviceValues weight = random(DType.F32, 3).values();
        DeviceValues bias = random(DType.F32, 4).values();
        double[][] expected = x.toArray();
        for (double[] row : expected) {
            double mean = Arrays.stream(row).sum() / COLUMNS;
            double variance = Arrays.stream(row).map(a -> (a - mean) * (a - mean)).sum() / COLUMNS;
            for (int c = 0; c < COLUMNS; c++) {
                double normed = (row[c] - mean) / Math.sqrt(variance + EPSILON);
                row[c] = normed * weight.get(c) + bias.get(c);
            }
        }
        call("layer_norm", type)
                .view(x)
                .pointer(weight.memory())
                .pointer(bias.memory())
                .output(x)
                .number(EPSILON)
                .number(0)
                .run(ROWS, 96);
        x.requireClose(expected, 4);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void headsAndSplitColumnsAreNormed(DType type) {
        DeviceValues weight = random(DType.F32, 3).values();
        DeviceMatrix heads = DeviceMatrix.random(arena, type, ROWS, 5 * 24, 5);
        double[][] expected = heads.toArray();
        for (double[] row : expected) {
            for (int head = 0; head < 5; head++) {
                double[] part = Arrays.copyOfRange(row, 24 * head, 24 * head + 24);
                System.arraycopy(normed(new double[][] {part}, weight)[0], 0, row, 24 * head, 24);
            }
        }
        call("rms_norm_heads", type)
                .output(heads)
                .pointer(weight.memory())
                .number(24)
                .number(EPSILON)
                .run(new int[] {ROWS, 5, 1}, 32, 0);
        heads.requireClose(expected, 2);

        DeviceMatrix x = random(type, 6);
        double[][] whole = normed(x.toArray(), weight);
        DeviceMatrix sums = DeviceMatrix.poisoned(arena, DType.F32, ROWS, 1);
        call("square_sums", type).view(x).output(sums).run(ROWS, 128);
        double[][] squares = new double[ROWS][1];
        map(squares, (r, _, _) -> Arrays.stream(x.toArray()[r]).map(a -> a * a).sum());
        sums.requireClose(squares, 2);
        call("normalize_by_sums", type)
                .output(x)
                .view(sums)
                .pointer(weight.memory())
                .number(COLUMNS)
                .number(EPSILON)
                .run(ROWS, 40);
        x.requireClose(whole, 2);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void residualsAreAddedMatchedAndCut(DType type) {
        DeviceMatrix x = random(type, 1);
        DeviceMatrix y = random(type, 2);
        DeviceMatrix factors = DeviceMatrix.random(arena, DType.F32, ROWS, 1, 3);
        double[][] expected = x.toArray();
        map(expected, (r, c, a) -> a + y.at(r, c) * factors.at(r, 0));
        residual("add_scaled_rows", type)
                .output(x)
                .view(y)
                .view(factors)
                .run(new int[] {ROWS, 2, 1}, 64, 0);
        x.requireClose(expected, 2);

        DeviceValues columns = random(DType.F32, 4).values();
        double[][] scaled = x.toArray();
        map(scaled, (_, c, a) -> a * columns.get(c));
        residual("scale_columns", type)
                .output(x)
                .pointer(columns.memory())
                .run(new int[] {ROWS, 1, 1}, 96, 0);
        x.requireClose(scaled, 2);

        double[][] matched = x.toArray();
        map(matched, (r, _, a) -> a * Math.sqrt(squares(y.toArray()[r]) / squares(x.toArray()[r])));
        residual("match_magnitude", type).output(x).view(y).number(1e-5f).number(0).run(ROWS, 128);
        x.requireClose(matched, 4);

        DeviceMatrix moments = DeviceMatrix.poisoned(arena, DType.F32, ROWS, 2);
        residual("moments", type).view(x).output(moments).run(ROWS, 64);
        double[][] sums = new double[ROWS][2];
        map(
                sums,
                (r, c, _) ->
                        c == 0 ? Arrays.stream(x.toArray()[r]).sum() : squares(x.toArray()[r]));
        moments.requireClose(sums, 8);
        double[][] kept = x.toArray();
        map(
                kept,
                (r, _, a) -> {
                    double mean = sums[r][0] / COLUMNS;
                    double deviation = Math.sqrt(sums[r][1] / COLUMNS - mean * mean);
                    return Math.max(0, a - mean - 0.25 * deviation);
                });
        residual("keep_above", type)
                .output(x)
                .view(moments)
                .number(COLUMNS)
                .number(0.25f)
                .run(new int[] {ROWS, 1, 1}, 64, 0);
        x.requireClose(kept, 4);
    }

    private static double squares(double[] row) {
        return Arrays.stream(row).map(a -> a * a).sum();
    }

    private KernelCall residual(String kernel, DType type) {
        return new KernelCall(
                arena, EmulatedObject.of("residuals", "-DACTIVATION=" + type), kernel);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void elementsAreAddedScaledCappedAndCleared(DType type) {
        DeviceMatrix x = random(type, 1);
        DeviceMatrix y = random(DType.F32, 2);
        double[][] expected = x.toArray();
        map(expected, (r, c, a) -> a + y.at(r, c));
        add(type, x, y).run(new int[] {ROWS, 2, 1}, 64, 0);
        x.requireClose(expected, 1);

        DeviceMatrix bias = DeviceMatrix.random(arena, DType.F32, 1, COLUMNS, 3);
        expected = x.toArray();
        map(expected, (_, c, a) -> a + bias.at(0, c));
        add(type, x, bias).run(ROWS, 50);
        x.requireClose(expected, 1);

        expected = x.toArray();
        map(expected, (_, _, a) -> a * 1.7f);
        call("scale", type).output(x).number(1.7f).number(0).run(ROWS, 256);
        x.requireClose(expected, 1);

        expected = x.toArray();
        map(expected, (_, _, a) -> 0.8f * Math.tanh(a / 0.8f));
        call("soft_cap", type).output(x).number(0.8f).number(0).run(ROWS, 256);
        x.requireClose(expected, 1);

        DeviceMatrix copy = poisoned(DType.F32);
        new KernelCall(arena, "copy", "-DFROM=" + type, "-DTO=F32")
                .view(x)
                .output(copy)
                .run(ROWS, 32);
        copy.requireClose(x.toArray(), 0);

        call("clear", type).output(x).run(ROWS, 32);
        x.requireClose(new double[ROWS][COLUMNS], 0);
    }

    @ParameterizedTest
    @EnumSource(
            value = Activation.class,
            names = {"SILU", "GELU_TANH", "GELU_ERF", "RELU_SQUARED"})
    void activationsFollowTheirFormulas(Activation activation) {
        DoubleUnaryOperator function =
                switch (activation) {
                    case SILU -> x -> x / (1 + Math.exp(-x));
                    case GELU_TANH ->
                            x -> {
                                double inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
                                return x / 2 * (1 + Math.tanh(inner));
                            };
                    case GELU_ERF -> x -> x * normalDistribution(x);
                    case CLAMPED_SWIGLU -> throw activation.withoutUp();
                    case RELU_SQUARED -> x -> Math.max(x, 0) * Math.max(x, 0);
                };
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            DeviceMatrix x = DeviceMatrix.random(arena, type, ROWS, 2 * COLUMNS, 1);
            for (int i = 0; i < COLUMNS; i++) {
                x.values().set(i, (i - 78) / 4f);
            }
            double[][] expected = x.toArray();
            map(expected, (_, _, a) -> function.applyAsDouble(a));
            double[][] products = new double[ROWS][COLUMNS];
            map(products, (r, c, _) -> expected[r][c] * x.at(r, COLUMNS + c));
            DeviceMatrix out = poisoned(type);
            call("activate_multiply", type)
                    .view(x)
                    .output(out)
                    .number(KernelCall.numberOf(activation))
                    .number(0)
                    .run(ROWS, 96);
            out.requireClose(products, 2);
            call("activate", type)
                    .view(x)
                    .output(x)
                    .number(KernelCall.numberOf(activation))
                    .number(0)
                    .run(new int[] {ROWS, 2, 1}, 96, 0);
            x.requireClose(expected, 2);
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    void storedRowsAreDecoded(TensorType stored) {
        int columns = stored.unit() == 1 ? COLUMNS : 512;
        StoredMatrix matrix = StoredMatrix.random(stored, 5, columns, 7);
        MemorySegment data = arena.allocate(matrix.data().byteSize() + 1, 2).asSlice(1);
        data.copyFrom(matrix.data());
        int skipped = stored.unit() == 1 ? 1 : 224;
        MemorySegment sources = arena.allocateFrom(ValueLayout.JAVA_INT, 4, 0, 2);
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            DeviceMatrix out =
                    DeviceMatrix.poisoned(arena, type, ROWS, columns - skipped - columns % 2);
            new KernelCall(arena, "decode_rows", "-DOUT=" + type)
                    .pointer(data)
                    .number(stored.rowBytes(columns))
                    .pointer(sources)
                    .number(KernelCall.numberOf(stored))
                    .number(skipped)
                    .output(out)
                    .run(new int[] {ROWS, 3, 1}, 32, 0);
            double[][] expected = new double[ROWS][out.columns()];
            map(
                    expected,
                    (r, c, _) -> {
                        float exact = (float) matrix.at(new int[] {4, 0, 2}[r], skipped + c);
                        return Rounding.of(exact, type);
                    });
            out.requireClose(expected, type == DType.F32 ? 0.01 : 1);

            DeviceMatrix embedded = DeviceMatrix.poisoned(arena, type, 4, out.columns());
            call("embed", type)
                    .pointer(data)
                    .number(stored.rowBytes(columns))
                    .pointer(sources)
                    .number(KernelCall.numberOf(stored))
                    .number(skipped)
                    .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, 2, 0, 3, 1))
                    .number(3L)
                    .output(embedded)
                    .report(word)
                    .run(4, 64);
            for (int c = 0; c < out.columns(); c++) {
                assertEquals(out.at(2, c), embedded.at(0, c));
                assertEquals(out.at(0, c), embedded.at(1, c));
                assertTrue(Float.isNaN(embedded.at(2, c)), "id 3 of 3 is not written");
                assertEquals(out.at(1, c), embedded.at(3, c));
            }
            requireReported(2, 3, 3);
        }
    }

    @Test
    void rowsAreScaledByTheirPositions() {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            DeviceMatrix x = random(type, 1);
            double[][] expected = x.toArray();
            float[] factors = {1, 1.5f, 0.25f};
            int[] positions = {2, 1, -1};
            map(expected, (r, _, value) -> r == 2 ? value : value * factors[positions[r]]);
            call("scale_rows", type)
                    .output(x)
                    .pointer(arena.allocateFrom(ValueLayout.JAVA_FLOAT, factors))
                    .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, positions))
                    .number(3L)
                    .report(word)
                    .run(ROWS, 64);
            x.requireClose(expected, 1);
            requireReported(2, -1, 3);
        }
    }

    @Test
    void xieluFollowsItsFormula() {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            DeviceMatrix x = random(type, 1);
            double[][] expected = x.toArray();
            map(
                    expected,
                    (_, _, a) ->
                            a > 0
                                    ? 0.75 * a * a + 0.5 * a
                                    : 1.25 * (Math.expm1(Math.min(a, -1e-6)) - a) + 0.5 * a);
            call("xielu", type)
                    .output(x)
                    .number(0.75f)
                    .number(1.25f)
                    .number(0.5f)
                    .number(-1e-6f)
                    .run(ROWS, 64);
            x.requireClose(expected, 4);
        }
    }

    @Test
    void rowsAreGathered() {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            DeviceMatrix x = random(type, 1);
            DeviceMatrix out = DeviceMatrix.poisoned(arena, type, 4, COLUMNS);
            call("gather_rows", type)
                    .view(x)
                    .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, 2, 0, -1, 2))
                    .output(out)
                    .report(word)
                    .run(4, 64);
            for (int c = 0; c < COLUMNS; c++) {
                assertEquals(x.at(2, c), out.at(0, c));
                assertEquals(x.at(0, c), out.at(1, c));
                assertTrue(Float.isNaN(out.at(2, c)), "row -1 is not written");
                assertEquals(x.at(2, c), out.at(3, c));
            }
            requireReported(2, -1, ROWS);
        }
    }

    @Test
    void valuesAreScatteredAndPaddingIsSkipped() {
        MemorySegment table = arena.allocateFrom(ValueLayout.JAVA_INT, new int[12]);
        new KernelCall(arena, "scatter")
                .view(table, 2, 5, 6)
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, 9, -1, 0, 10, 4))
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, 1, 2, 3, 4, 5))
                .number(5L)
                .report(word)
                .run(1, 64);
        assertArrayEquals(
                new int[] {3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0},
                table.toArray(ValueLayout.JAVA_INT));
        requireReported(3, 10, 10);
    }

    @Test
    void theProgressWordAdvances() {
        MemorySegment progress = arena.allocateFrom(ValueLayout.JAVA_LONG, 40);
        new KernelCall(arena, "advance").output(progress).number(2L).run(1, 1);
        assertEquals(42, progress.get(ValueLayout.JAVA_LONG, 0));
    }

    private void requireReported(long index, long value, long limit) {
        assertArrayEquals(
                new long[] {1 | 7L << 32, index, value, limit},
                word.toArray(ValueLayout.JAVA_LONG));
        word.fill((byte) 0);
    }

    private KernelCall add(DType type, DeviceMatrix x, DeviceMatrix y) {
        return new KernelCall(arena, "add", "-DACTIVATION=" + type, "-DOTHER=" + y.values().type())
                .output(x)
                .view(y);
    }

    private KernelCall call(String kernel, DType type) {
        return new KernelCall(arena, kernel, "-DACTIVATION=" + type);
    }

    private DeviceMatrix random(DType type, long seed) {
        return DeviceMatrix.random(arena, type, ROWS, COLUMNS, seed);
    }

    private DeviceMatrix poisoned(DType type) {
        return DeviceMatrix.poisoned(arena, type, ROWS, COLUMNS);
    }

    private interface Element {
        double at(int row, int column, double value);
    }

    private static void map(double[][] values, Element element) {
        for (int r = 0; r < values.length; r++) {
            for (int c = 0; c < values[r].length; c++) {
                values[r][c] = element.at(r, c, values[r][c]);
            }
        }
    }

    private static double[][] normed(double[][] values, DeviceValues weight) {
        for (double[] row : values) {
            double mean = Arrays.stream(row).map(a -> a * a).sum() / row.length;
            for (int c = 0; c < row.length; c++) {
                row[c] = row[c] / Math.sqrt(mean + EPSILON) * weight.get(c);
            }
        }
        return values;
    }

    /// Returns Φ(x) by Simpson's rule.
    private static double normalDistribution(double x) {
        int steps = 2000;
        double h = x / steps;
        double sum = 0;
        for (int i = 0; i <= steps; i++) {
            double density = Math.exp(-h * i * h * i / 2) / Math.sqrt(2 * Math.PI);
            sum += density * (i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2);
        }
        return 0.5 + sum * h / 3;
    }
}
