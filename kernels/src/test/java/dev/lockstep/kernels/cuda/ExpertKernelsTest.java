// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The kernels of a mixture of experts against plain loops.
@Tag("processes")
final class ExpertKernelsTest {
    private static final int HIDDEN = 37;
    private static final int COLUMNS = 41;

    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void theChosenExpertsAreWeightedAndAdded(DType type) {
        var layer = new Layer(type, 5, 2);
        DeviceMatrix x = DeviceMatrix.random(arena, type, 50, HIDDEN, 1);
        DeviceMatrix logits = DeviceMatrix.random(arena, DType.F32, 50, 5, 2);
        DeviceMatrix out = layer.run(x, logits, true);
        double[][] expected = layer.expected(x, logits);
        for (int t = 0; t < 50; t++) {
            for (int h = 0; h < HIDDEN; h++) {
                // Values of about 100; the products in between are rounded too.
                double error = (type == DType.F32 ? 1e-5 : 0.01) * (100 + Math.abs(expected[t][h]));
                assertEquals(expected[t][h], out.at(t, h), error);
            }
        }
        for (int t = 0; t < 50; t += 7) {
            DeviceMatrix alone = layer.run(row(x, t), row(logits, t), true);
            for (int h = 0; h < HIDDEN; h++) {
                assertEquals(out.at(t, h), alone.at(0, h), "token %d has other bits".formatted(t));
            }
        }
    }

    @Test
    void manyExpertsAndTokensAreSorted() {
        var layer = new Layer(DType.F32, 70, 9);
        DeviceMatrix logits = DeviceMatrix.random(arena, DType.F32, 40, 70, 3);
        layer.route(logits, false);
        layer.sort(40);
        int[] chosen = layer.chosen.toArray(ValueLayout.JAVA_INT);
        int[] starts = layer.starts.toArray(ValueLayout.JAVA_INT);
        int[] order =
                IntStream.range(0, 360)
                        .boxed()
                        .sorted(Comparator.comparingInt((Integer pair) -> chosen[pair]))
                        .mapToInt(pair -> pair)
                        .toArray();
        for (int e = 0; e <= 70; e++) {
            int expert = e;
            assertEquals(Arrays.stream(chosen, 0, 360).filter(c -> c < expert).count(), starts[e]);
        }
        for (int place = 0; place < 360; place++) {
            assertEquals(place, layer.places.getAtIndex(ValueLayout.JAVA_INT, order[place]));
            assertEquals(order[place] / 9, layer.tokens.getAtIndex(ValueLayout.JAVA_INT, place));
        }
    }

    @Test
    void tiesGoToTheLowerExpertAndANanGivesNan() {
        var layer = new Layer(DType.F32, 40, 3);
        DeviceMatrix logits = DeviceMatrix.random(arena, DType.F32, 4, 40, 3);
        for (int e = 0; e < 40; e++) {
            logits.values().set(e, e == 34 || e == 3 || e == 35 || e == 9 ? 5 : 1);
            logits.values().set(logits.stride() + e, 0);
        }
        logits.values().set(2 * logits.stride() + 7, Float.NaN);
        logits.values().set(3 * logits.stride() + 39, Float.POSITIVE_INFINITY);
        layer.route(logits, true);
        assertArrayEquals(
                new int[] {3, 9, 34, 0, 1, 2, 0, 1, 2, 0, 1, 2},
                layer.chosen.asSlice(0, 48).toArray(ValueLayout.JAVA_INT));
        float[] weights = layer.weights.asSlice(0, 48).toArray(ValueLayout.JAVA_FLOAT);
        for (int i = 0; i < 6; i++) {
            assertEquals(1 / 3f, weights[i], 1e-6);
            assertTrue(Float.isNaN(weights[6 + i]));
        }
    }

    private DeviceMatrix row(DeviceMatrix x, int row) {
        DeviceMatrix copy = DeviceMatrix.poisoned(arena, x.values().type(), 1, x.columns());
        for (int c = 0; c < x.columns(); c++) {
            copy.values().set(c, x.at(row, c));
        }
        return copy;
    }

    private final class Layer {
        final DType type;
        final int experts;
        final int perToken;
        final List<DeviceMatrix> gateUps;
        final List<DeviceMatrix> downs;
        final MemorySegment chosen = arena.allocate(4 * 400, 8);
        final MemorySegment weights = arena.allocate(4 * 400, 8);
        final MemorySegment starts;
        final MemorySegment tokens = arena.allocate(4 * 400, 8);
        final MemorySegment places = arena.allocate(4 * 400, 8);

        Layer(DType type, int experts, int perToken) {
            this.type = type;
            this.experts = experts;
            this.perToken = perToken;
            starts = arena.allocate(4L * (experts + 1), 8);
            gateUps =
                    IntStream.range(0, experts)
                            .mapToObj(
                                    e ->
                                            DeviceMatrix.random(
                                                    arena, type, 2 * COLUMNS, HIDDEN, 100 + e))
                            .toList();
            downs =
                    IntStream.range(0, experts)
                            .mapToObj(
                                    e -> DeviceMatrix.random(arena, type, HIDDEN, COLUMNS, 200 + e))
                            .toList();
        }

        void route(DeviceMatrix logits, boolean renormalized) {
            call("experts_route")
                    .view(logits)
                    .output(chosen)
                    .output(weights)
                    .number(0L)
                    .number(0L)
                    .number(perToken)
                    .number(renormalized ? 1 : 0)
                    .number(0)
                    .number(1f)
                    .number(1)
                    .number(1)
                    .number(0)
                    .number(0)
                    .run(new int[] {logits.rows(), 1, 1}, 32, 4 * (2 * experts + 1 + perToken));
        }

        void sort(int count) {
            call("experts_sort")
                    .pointer(chosen)
                    .output(starts)
                    .output(tokens)
                    .output(places)
                    .number(count * perToken)
                    .number(perToken)
                    .run(experts, 256);
        }

        DeviceMatrix run(DeviceMatrix x, DeviceMatrix logits, boolean renormalized) {
            int pairs = x.rows() * perToken;
            route(logits, renormalized);
            sort(x.rows());
            DeviceMatrix product = DeviceMatrix.poisoned(arena, type, pairs, COLUMNS);
            multiply("experts_gate_up", gateUps, x, product, pairs);
            DeviceMatrix output = DeviceMatrix.poisoned(arena, type, pairs, HIDDEN);
            multiply("experts_down", downs, product, output, pairs);
            DeviceMatrix out = DeviceMatrix.poisoned(arena, type, x.rows(), HIDDEN);
            call("experts_sum")
                    .view(output)
                    .pointer(places)
                    .pointer(weights)
                    .output(out)
                    .number(perToken)
                    .number(0)
                    .run(x.rows(), 64);
            return out;
        }

        private void multiply(
                String kernel,
                List<DeviceMatrix> matrices,
                DeviceMatrix x,
                DeviceMatrix out,
                int pairs) {
            MemorySegment addresses =
                    arena.allocateFrom(
                            ValueLayout.JAVA_LONG,
                            matrices.stream().mapToLong(each -> each.memory().address()).toArray());
            int[] grid = {pairs / 16 + experts, (out.columns() + 15) / 16, 1};
            call(kernel)
                    .pointer(addresses)
                    .pointer(arena.allocate(8L * experts, 8))
                    .pointer(starts)
                    .pointer(tokens)
                    .pointer(places)
                    .number(0L)
                    .view(x)
                    .output(out)
                    .number((long) matrices.getFirst().stride())
                    .number(experts)
                    .number(KernelCall.numberOf(Activation.SILU))
                    .number(perToken)
                    .number(0)
                    .run(grid, 256, 0);
        }

        private KernelCall call(String kernel) {
            return new KernelCall(
                    arena, EmulatedObject.of("experts", "-DACTIVATION=" + type), kernel);
        }

        double[][] expected(DeviceMatrix x, DeviceMatrix logits) {
            double[][] sums = new double[x.rows()][HIDDEN];
            for (int t = 0; t < x.rows(); t++) {
                double[] row = logits.toArray()[t];
                int[] best =
                        IntStream.range(0, experts)
                                .boxed()
                                .sorted(Comparator.comparingDouble((Integer e) -> -row[e]))
                                .mapToInt(e -> e)
                                .limit(perToken)
                                .toArray();
                double kept = Arrays.stream(best).mapToDouble(e -> Math.exp(row[e])).sum();
                for (int e : best) {
                    add(sums[t], Math.exp(row[e]) / kept, x.toArray()[t], e);
                }
            }
            return sums;
        }

        private void add(double[] sum, double weight, double[] x, int expert) {
            DeviceMatrix gateUp = gateUps.get(expert);
            for (int c = 0; c < COLUMNS; c++) {
                double gate = 0;
                double up = 0;
                for (int h = 0; h < HIDDEN; h++) {
                    gate += x[h] * gateUp.at(c, h);
                    up += x[h] * gateUp.at(COLUMNS + c, h);
                }
                double product = gate / (1 + Math.exp(-gate)) * up;
                for (int h = 0; h < HIDDEN; h++) {
                    sum[h] += weight * product * downs.get(expert).at(h, c);
                }
            }
        }
    }
}
