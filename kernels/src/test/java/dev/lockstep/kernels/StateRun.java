// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// One layer of states over several sequences, with the same inputs in any chunks.
final class StateRun {
    static final int LINES = 5;
    static final int PADDING = -1;
    private static final int LENGTH = 40;

    private final TestDevice device;
    private final LinearAttentionHeads heads;
    private final int taps;
    private final Tensor states;
    final float[] weight;
    final float[] bias;
    final float[] rate;
    final float[] stepBias;
    final float[] skip;
    // [line][token]: inputs, and what came out.
    final float[][][] inputs = new float[LINES][LENGTH][];
    final float[][][] gates = new float[LINES][LENGTH][];
    final float[][][] convolved = new float[LINES][LENGTH][];
    final float[][][] normed = new float[LINES][LENGTH][];
    final float[][][] shares = new float[LINES][LENGTH][];
    final float[][][] out = new float[LINES][LENGTH][];

    /// Tokens of a sequence in a step.
    record Chunk(int line, int from, int count) {}

    StateRun(TestDevice device, LinearAttentionHeads heads, int taps, long seed) {
        this.device = device;
        this.heads = heads;
        this.taps = taps;
        var random = new Random(seed);
        int columns = heads.columns();
        weight = TestValues.normal(random, taps * columns);
        bias = TestValues.normal(random, columns);
        stepBias = TestValues.normal(random, heads.valueHeads());
        skip = TestValues.normal(random, heads.valueHeads());
        rate = TestValues.normal(random, heads.valueHeads());
        for (int i = 0; i < rate.length; i++) {
            rate[i] = (float) -Math.exp(rate[i] - 2);
        }
        for (int line = 0; line < LINES; line++) {
            for (int t = 0; t < LENGTH; t++) {
                float[] input = TestValues.normal(random, columns);
                for (int i = 0; i < columns; i++) {
                    input[i] *= 0.3f;
                }
                inputs[line][t] = device.stored(input);
                gates[line][t] = TestValues.normal(random, 2 * heads.valueHeads());
            }
        }
        // What an earlier sequence left.
        float[] before = TestValues.normal(random, LINES * floats());
        states = device.floats(LINES, floats(), before);
    }

    private int floats() {
        return (taps - 1) * heads.columns() + heads.stateFloats();
    }

    void step(Chunk... chunks) {
        int tokens = Arrays.stream(chunks).mapToInt(Chunk::count).sum();
        int columns = heads.columns();
        int[] starts = new int[chunks.length + 1];
        int[] computed = new int[chunks.length];
        int[] lines = new int[chunks.length];
        List<float[]> x = new ArrayList<>();
        List<float[]> gate = new ArrayList<>();
        for (int i = 0; i < chunks.length; i++) {
            Chunk chunk = chunks[i];
            starts[i + 1] = starts[i] + chunk.count();
            computed[i] = chunk.from();
            lines[i] = chunk.line();
            for (int t = chunk.from(); t < chunk.from() + chunk.count(); t++) {
                int line = Math.max(0, chunk.line());
                x.add(inputs[line][t]);
                gate.add(gates[line][t]);
            }
        }
        PagedBatch batch = batch(starts, computed, lines, tokens);
        // A row has further columns, as a view of a larger tensor has.
        Tensor all = device.zeros(tokens, columns + heads.valueColumns() + 3);
        Tensor qkv = all.columns(0, columns);
        write(qkv, x);
        Tensor two = device.zeros(DType.F32, tokens, 2 * heads.valueHeads());
        write(two, gate);
        Tensor result = all.columns(columns, columns + heads.valueColumns());
        int first = (taps - 1) * columns;
        device.kernels()
                .convolve(
                        batch,
                        states.columns(0, first),
                        device.floats(1, weight.length, weight),
                        Optional.of(device.floats(1, bias.length, bias)),
                        qkv);
        keep(chunks, qkv, convolved);
        // The delta rule needs keys of length 1 at most.
        float[] length = new float[heads.keySize()];
        Arrays.fill(length, (float) (1 / Math.sqrt(length.length)));
        device.kernels()
                .rmsNormHeads(
                        qkv.columns(0, 2 * heads.keyColumns()),
                        device.floats(1, length.length, length),
                        1e-6f);
        device.kernels().decay(gatesOf(false), two);
        device.kernels()
                .linearAttention(
                        batch,
                        states.columns(first, floats()),
                        heads,
                        qkv,
                        two,
                        Optional.of(device.floats(1, skip.length, skip)),
                        result);
        keep(chunks, qkv, normed);
        keep(chunks, two, shares);
        keep(chunks, result, out);
    }

    private void keep(Chunk[] chunks, Tensor tensor, float[][][] kept) {
        int row = 0;
        for (Chunk chunk : chunks) {
            for (int t = chunk.from(); t < chunk.from() + chunk.count(); t++, row++) {
                if (chunk.line() >= 0) {
                    kept[chunk.line()][t] = device.floats(tensor.rows(row, row + 1));
                }
            }
        }
    }

    StateGates gatesOf(boolean steps) {
        return new StateGates(
                device.floats(1, rate.length, rate),
                device.floats(1, stepBias.length, stepBias),
                0,
                Float.POSITIVE_INFINITY,
                steps);
    }

    PagedBatch batch(int[] starts, int[] computed, int[] lines, int tokens) {
        return new PagedBatch(
                lines.length,
                tokens,
                device.ints(1, starts.length, starts),
                device.ints(1, computed.length, computed),
                device.ints(1, lines.length, lines),
                device.ints(LINES, 1, new int[LINES]));
    }

    private void write(Tensor tensor, List<float[]> rows) {
        for (int row = 0; row < rows.size(); row++) {
            device.write(tensor.rows(row, row + 1), rows.get(row));
        }
    }

    /// Returns what the recurrence gives for a sequence from its first token on, in double, from
    /// the convolved inputs and the gates.
    double[][] reference(int line, int length) {
        double[][] result = new double[length][heads.valueColumns()];
        int size = heads.valueSize();
        int keys = heads.keySize();
        for (int head = 0; head < heads.valueHeads(); head++) {
            int key = (heads.offset() + head) / heads.group() % heads.keyHeads() * keys;
            for (int column = 0; column < size; column++) {
                double[] state = new double[keys];
                for (int t = 0; t < length; t++) {
                    float[] qkv = normed[line][t];
                    double share = shares[line][t][head];
                    double decay = shares[line][t][heads.valueHeads() + head];
                    double value = qkv[2 * heads.keyColumns() + head * size + column];
                    double found = 0;
                    for (int i = 0; i < keys; i++) {
                        state[i] *= decay;
                        found += state[i] * qkv[heads.keyColumns() + key + i];
                    }
                    double added =
                            heads.rule() == LinearAttentionHeads.Rule.DELTA ? value - found : value;
                    double sum = skip[head] * value;
                    for (int i = 0; i < keys; i++) {
                        state[i] += share * added * qkv[heads.keyColumns() + key + i];
                        sum += state[i] * qkv[key + i];
                    }
                    result[t][head * size + column] = sum;
                }
            }
        }
        return result;
    }
}
