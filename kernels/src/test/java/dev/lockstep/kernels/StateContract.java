// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.StateRun.Chunk;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// The contract of ops over states of sequences, for kernels that keep them.
public interface StateContract extends KernelsContract {
    /// An odd number of channels, key heads that are shared, a first one in part, keys of several
    /// sizes.
    List<LinearAttentionHeads> SHAPES =
            List.of(
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.DELTA, 1, 1, 5, 16, 1, 0),
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.DELTA, 2, 4, 32, 32, 3, 2),
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.DELTA, 3, 5, 8, 16, 1, 2),
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.SUM, 1, 3, 16, 48, 3, 0),
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.DELTA, 1, 2, 128, 16, 2, 0),
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.SUM, 1, 1, 100, 16, 1, 0),
                    new LinearAttentionHeads(LinearAttentionHeads.Rule.SUM, 2, 2, 256, 16, 1, 0));

    @Test
    default void aConvolutionSumsTheLastInputsOfEachChannel() {
        for (int taps = 1; taps <= 4; taps++) {
            try (TestDevice device = device()) {
                LinearAttentionHeads heads = SHAPES.getFirst();
                var run = new StateRun(device, heads, taps, 1);
                run.step(new Chunk(3, 0, 9), new Chunk(1, 0, 2));
                for (int t = 0; t < 9; t++) {
                    for (int c = 0; c < heads.columns(); c++) {
                        double expected = run.bias[c];
                        for (int i = 0; i < taps; i++) {
                            int from = t - taps + 1 + i;
                            expected +=
                                    from < 0
                                            ? 0
                                            : (double) run.weight[i * heads.columns() + c]
                                                    * run.inputs[3][from][c];
                        }
                        Rounding.requireClose(
                                expected, run.convolved[3][t][c], 2e-6, device.activationType());
                    }
                }
            }
        }
    }

    @Test
    default void gatesAreWithinRoundingOfTheReference() {
        try (TestDevice device = device()) {
            var run = new StateRun(device, SHAPES.getLast(), 2, 2);
            int heads = run.rate.length;
            float[] raw = TestValues.normal(new Random(3), 4 * 2 * heads);
            for (int i = 0; i < raw.length; i += 3) {
                raw[i] *= i % 2 == 0 ? 20 : -20;
            }
            for (boolean steps : new boolean[] {false, true}) {
                Tensor gates = device.floats(4, 2 * heads, raw);
                device.kernels().decay(run.gatesOf(steps), gates);
                float[] actual = device.floats(gates);
                for (int i = 0; i < actual.length; i++) {
                    int head = i % heads;
                    int share = i / (2 * heads) * 2 * heads + head;
                    double second = (double) raw[share + heads] + run.stepBias[head];
                    double step = Math.max(second, 0) + Math.log1p(Math.exp(-Math.abs(second)));
                    double expected =
                            i != share
                                    ? Math.exp(run.rate[head] * step)
                                    : steps ? step : 1 / (1 + Math.exp(-raw[share]));
                    double bound = 2e-6 * (1 + step) * Math.abs(expected) + 1e-30;
                    assertEquals(expected, actual[i], bound, "gate " + i);
                }
            }
        }
    }

    @Test
    default void stepsStayBetweenTheirLimits() {
        try (TestDevice device = device()) {
            Tensor gates = device.floats(1, 6, 0, 0, 0, -50, 0, 50);
            device.kernels()
                    .decay(
                            new StateGates(
                                    device.floats(1, 3, -1, -1, -1),
                                    device.floats(1, 3, 0, 0, 0),
                                    0.25f,
                                    2,
                                    true),
                            gates);
            float[] actual = device.floats(gates);
            assertEquals(0.25f, actual[0]);
            assertEquals(Math.log(2), actual[1], 1e-6);
            assertEquals(2, actual[2]);
        }
    }

    @Test
    default void linearAttentionFollowsItsRecurrence() {
        for (LinearAttentionHeads heads : SHAPES) {
            try (TestDevice device = device()) {
                var run = new StateRun(device, heads, 3, 4);
                run.step(
                        new Chunk(0, 0, 20), new Chunk(4, 0, 1), new Chunk(StateRun.PADDING, 0, 2));
                run.step(new Chunk(4, 1, 1), new Chunk(0, 20, 15));
                double[][] expected = run.reference(0, 35);
                for (int t = 0; t < 35; t++) {
                    for (int c = 0; c < heads.valueColumns(); c++) {
                        String what = heads + ", token " + t;
                        Rounding.requireClose(
                                expected[t][c],
                                run.out[0][t][c],
                                1e-4 * (1 + Math.abs(expected[t][c])),
                                device.activationType(),
                                () -> what);
                    }
                }
            }
        }
    }

    @Test
    default void aSequenceHasTheSameBitsInAnyChunksBesideAnyOthers() {
        assumeSameBitsInAnyBatch();
        for (LinearAttentionHeads heads : SHAPES) {
            float[][] alone;
            try (var device = new TestDevice(open(1))) {
                var run = new StateRun(device, heads, 4, 5);
                run.step(new Chunk(2, 0, 30));
                alone = run.out[2];
            }
            for (int threads = 1; threads <= 3; threads++) {
                try (var device = new TestDevice(open(threads))) {
                    var run = new StateRun(device, heads, 4, 5);
                    run.step(new Chunk(0, 0, 3), new Chunk(2, 0, 7));
                    run.step(new Chunk(2, 7, 2), new Chunk(StateRun.PADDING, 0, 3));
                    run.step(new Chunk(1, 0, 12), new Chunk(2, 9, 12), new Chunk(0, 3, 1));
                    for (int t = 21; t < 30; t++) {
                        run.step(new Chunk(1, t - 9, 1), new Chunk(2, t, 1));
                    }
                    for (int t = 0; t < 30; t++) {
                        assertArrayEquals(alone[t], run.out[2][t], heads + ", token " + t);
                    }
                }
            }
        }
    }

    @Test
    default void aCopyOfAStateGoesOnLikeTheOriginal() {
        LinearAttentionHeads heads = SHAPES.get(1);
        try (TestDevice device = device()) {
            Tensor states =
                    device.floats(3, heads.stateFloats(), new float[3 * heads.stateFloats()]);
            float[] qkv = TestValues.normal(new Random(6), heads.columns());
            float[] gates = new float[2 * heads.valueHeads()];
            Arrays.fill(gates, 0.5f);
            var run = new StateRun(device, heads, 2, 6);
            int[][] bits = new int[2][];
            attend(device, run, states, heads, qkv, gates, 0, 0);
            device.kernels().copy(states.rows(0, 1), states.rows(2, 3));
            bits[0] = attend(device, run, states, heads, qkv, gates, 1, 0);
            bits[1] = attend(device, run, states, heads, qkv, gates, 1, 2);
            assertArrayEquals(bits[0], bits[1]);
        }
    }

    /// Returns the bits of a run, its gates included.
    static int[] bits(TestDevice device, LinearAttentionHeads heads) {
        var run = new StateRun(device, heads, 4, 9);
        run.step(new Chunk(0, 0, 20), new Chunk(4, 0, 1), new Chunk(StateRun.PADDING, 0, 2));
        run.step(new Chunk(4, 1, 1), new Chunk(0, 20, 15));
        var bits = IntStream.builder();
        for (int t = 0; t < 35; t++) {
            for (float[] values : List.of(run.convolved[0][t], run.shares[0][t], run.out[0][t])) {
                for (float value : values) {
                    bits.add(Float.floatToRawIntBits(value));
                }
            }
        }
        return bits.build().toArray();
    }

    private static int[] attend(
            TestDevice device,
            StateRun run,
            Tensor states,
            LinearAttentionHeads heads,
            float[] qkv,
            float[] gates,
            int computed,
            int line) {
        Tensor out = device.zeros(1, heads.valueColumns());
        device.kernels()
                .linearAttention(
                        run.batch(new int[] {0, 1}, new int[] {computed}, new int[] {line}, 1),
                        states,
                        heads,
                        device.activations(1, heads.columns(), qkv),
                        device.floats(1, gates.length, gates),
                        Optional.empty(),
                        out);
        return device.bits(out);
    }

    @Test
    default void rowsAreMultipliedByValuesOrByGates() {
        var random = new Random(7);
        for (int width : new int[] {1, 16, 33}) {
            try (TestDevice device = device()) {
                float[] x = device.stored(TestValues.normal(random, 3 * width));
                for (int factors : new int[] {1, width}) {
                    float[] y = device.stored(TestValues.normal(random, 3 * factors));
                    for (boolean logistic : new boolean[] {false, true}) {
                        Tensor out = device.activations(3, width, x);
                        device.kernels().multiply(out, device.activations(3, factors, y), logistic);
                        float[] actual = device.floats(out);
                        for (int i = 0; i < x.length; i++) {
                            float factor = y[i / width * factors + (factors == 1 ? 0 : i % width)];
                            double expected =
                                    x[i] * (logistic ? 1 / (1 + Math.exp(-factor)) : factor);
                            Rounding.requireClose(
                                    expected,
                                    actual[i],
                                    1e-6 * Math.abs(expected),
                                    device.activationType());
                        }
                    }
                }
            }
        }
    }

    @Test
    default void linesThatDoNotExistAreRefusedByStates() {
        for (int line : new int[] {-2, StateRun.LINES, Integer.MAX_VALUE}) {
            try (TestDevice device = device()) {
                LinearAttentionHeads heads = SHAPES.getFirst();
                var run = new StateRun(device, heads, 2, 8);
                Tensor states = device.zeros(DType.F32, StateRun.LINES, heads.columns());
                Tensor x = device.zeros(1, heads.columns());
                Tensor weight = device.zeros(DType.F32, 1, 2 * heads.columns());
                PagedBatch batch = run.batch(new int[] {0, 1}, new int[] {0}, new int[] {line}, 1);
                requireLineRefused(
                        device,
                        line,
                        () ->
                                device.kernels()
                                        .convolve(batch, states, weight, Optional.empty(), x));
            }
            try (TestDevice device = device()) {
                LinearAttentionHeads heads = SHAPES.getFirst();
                var run = new StateRun(device, heads, 2, 8);
                Tensor states = device.zeros(DType.F32, StateRun.LINES, heads.stateFloats());
                float[] qkv = new float[heads.columns()];
                float[] gates = new float[2 * heads.valueHeads()];
                requireLineRefused(
                        device,
                        line,
                        () -> attend(device, run, states, heads, qkv, gates, 0, line));
            }
        }
    }

    private static void requireLineRefused(TestDevice device, int line, Runnable op) {
        IndexException refused = assertInstanceOf(IndexException.class, device.requireRefused(op));
        assertEquals(CheckedIndex.STATE_LINE, refused.checked());
        assertEquals(line, refused.value());
    }

    @Test
    default void headsThatDoNotFitTogetherAreRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new LinearAttentionHeads(LinearAttentionHeads.Rule.SUM, 1, 1, 8, 24, 1, 0));
        assertThrows(
                IllegalArgumentException.class,
                () -> new LinearAttentionHeads(LinearAttentionHeads.Rule.SUM, 1, 2, 8, 16, 2, 1));
        assertThrows(
                IllegalArgumentException.class,
                () -> new LinearAttentionHeads(LinearAttentionHeads.Rule.SUM, 2, 2, 8, 16, 1, 2));
    }
}
