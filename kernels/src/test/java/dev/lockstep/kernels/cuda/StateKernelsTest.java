// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// The kernels of states against plain loops, in several orders of their threads: rows that begin,
/// that go on, padding, and a line that does not exist.
@Tag("processes")
final class StateKernelsTest {
    private static final int LINES = 4;
    private static final int TOKENS = 32;

    /// Rows of 19, 2, 1 and 10 tokens.
    private static final int[] STARTS = {0, 19, 21, 22, TOKENS};

    private static final int[] COMPUTED = {0, 7, 5, 3};
    private static final int[] ROW_LINES = {2, -1, 0, LINES};
    private static final int ROWS = ROW_LINES.length;

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
    void channelsAreConvolvedWithWhatTheirLinesHold(DType type) {
        int channels = 70;
        int taps = 4;
        DeviceMatrix x = DeviceMatrix.random(arena, type, TOKENS, channels, 1);
        DeviceMatrix states =
                DeviceMatrix.random(arena, DType.F32, LINES, (taps - 1) * channels, 2);
        DeviceMatrix weight = DeviceMatrix.random(arena, DType.F32, 1, taps * channels, 3);
        DeviceMatrix bias = DeviceMatrix.random(arena, DType.F32, 1, channels, 4);
        double[][] expected = x.toArray();
        double[][] kept = states.toArray();
        for (int row = 0; row < ROWS; row++) {
            if (!exists(row)) {
                continue;
            }
            for (int c = 0; c < channels; c++) {
                double[] before = new double[taps];
                for (int i = 0; i < taps - 1 && COMPUTED[row] > 0; i++) {
                    before[i] = kept[ROW_LINES[row]][i * channels + c];
                }
                for (int t = STARTS[row]; t < STARTS[row + 1]; t++) {
                    before[taps - 1] = expected[t][c];
                    double sum = bias.at(0, c);
                    for (int i = 0; i < taps; i++) {
                        sum += before[i] * weight.at(0, i * channels + c);
                    }
                    expected[t][c] = sum;
                    System.arraycopy(before, 1, before, 0, taps - 1);
                }
                for (int i = 0; i < taps - 1; i++) {
                    kept[ROW_LINES[row]][i * channels + c] = before[i];
                }
            }
        }
        rows(new KernelCall(arena, "convolve", "-DACTIVATION=" + type), states)
                .output(x)
                .pointer(weight.memory())
                .pointer(bias.memory())
                .number(taps)
                .number(0)
                .run(new int[] {2, ROWS, 1}, 64, 0);
        x.requireClose(expected, 8);
        states.requireClose(kept, 0);
        requireReport();
    }

    @ParameterizedTest
    @CsvSource({
        "F32, 32, 20, 1",
        "F32, 64, 64, 0",
        "F32, 128, 100, 1",
        "F32, 256, 256, 0",
        "F32, 512, 260, 1",
        "BF16, 128, 128, 1",
        "BF16, 512, 512, 0"
    })
    void columnsFollowTheRecurrenceOfTheirHeads(DType type, int kernel, int keys, int delta) {
        int heads = 3;
        int size = 16;
        int columns = heads * size;
        DeviceMatrix qkv = DeviceMatrix.random(arena, type, TOKENS, 2 * 2 * keys + columns, 1);
        shorten(qkv, 4 * keys, 1 / Math.sqrt(keys));
        DeviceMatrix states = DeviceMatrix.random(arena, DType.F32, LINES, columns * keys, 2);
        DeviceMatrix gates = DeviceMatrix.random(arena, DType.F32, TOKENS, 2 * heads, 3);
        for (int i = 0; i < TOKENS * gates.stride(); i++) {
            gates.values().set(i, Math.abs(gates.values().get(i)) / 5);
        }
        DeviceMatrix skip = DeviceMatrix.random(arena, DType.F32, 1, heads, 4);
        DeviceMatrix out = DeviceMatrix.poisoned(arena, type, TOKENS, columns);
        double[][] expected = new double[TOKENS][columns];
        double[][] kept = states.toArray();
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < columns && exists(row); column++) {
                // Heads 0 to 2 read key heads 0, 1 and 1: groups of 2 from the second place on.
                int head = column / size;
                int key = (1 + head) / 2 * keys;
                double[] state = new double[keys];
                for (int i = 0; i < keys && COMPUTED[row] > 0; i++) {
                    state[i] = kept[ROW_LINES[row]][column * keys + i];
                }
                for (int t = STARTS[row]; t < STARTS[row + 1]; t++) {
                    double value = qkv.at(t, 4 * keys + column);
                    double found = 0;
                    for (int i = 0; i < keys; i++) {
                        state[i] *= gates.at(t, heads + head);
                        found += state[i] * qkv.at(t, 2 * keys + key + i);
                    }
                    double added = (value - delta * found) * gates.at(t, head);
                    expected[t][column] = skip.at(0, head) * value;
                    for (int i = 0; i < keys; i++) {
                        state[i] += added * qkv.at(t, 2 * keys + key + i);
                        expected[t][column] += state[i] * qkv.at(t, key + i);
                    }
                }
                System.arraycopy(state, 0, kept[ROW_LINES[row]], column * keys, keys);
            }
        }
        EmulatedObject object = EmulatedObject.of("linear_attention", "-DACTIVATION=" + type);
        rows(new KernelCall(arena, object, "linear_attention_" + kernel), states)
                .view(qkv)
                .view(gates)
                .pointer(skip.memory())
                .output(out)
                .number(2)
                .number(heads)
                .number(keys)
                .number(size)
                .number(2)
                .number(1)
                .number(delta)
                .number(0)
                .run(new int[] {heads, ROWS, 1}, 128, 0);
        out.requireClose(expected, 16);
        states.requireClose(kept, 16);
        requireReport();
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void elementsAreMultipliedByOthersAndByTheirLogisticFunction(DType type) {
        for (int logistic = 0; logistic < 2; logistic++) {
            for (int factors : new int[] {1, 90}) {
                DeviceMatrix x = DeviceMatrix.random(arena, type, 5, 90, 1);
                DeviceMatrix y = DeviceMatrix.random(arena, type, 5, factors, 2);
                double[][] expected = x.toArray();
                for (int r = 0; r < 5; r++) {
                    for (int c = 0; c < 90; c++) {
                        double factor = y.at(r, c % factors);
                        expected[r][c] *= logistic == 1 ? 1 / (1 + Math.exp(-factor)) : factor;
                    }
                }
                new KernelCall(arena, "multiply", "-DACTIVATION=" + type)
                        .output(x)
                        .view(y)
                        .number(logistic)
                        .number(0)
                        .run(new int[] {5, 2, 1}, 32, 0);
                x.requireClose(expected, 2);
            }
        }
    }

    private KernelCall rows(KernelCall call, DeviceMatrix states) {
        return call.pointer(arena.allocateFrom(ValueLayout.JAVA_INT, STARTS))
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, COMPUTED))
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, ROW_LINES))
                .output(states)
                .number(TOKENS)
                .number(0)
                .report(word);
    }

    private static boolean exists(int row) {
        return ROW_LINES[row] >= 0 && ROW_LINES[row] < LINES;
    }

    /// Multiplies the first columns by a factor.
    private static void shorten(DeviceMatrix matrix, int columns, double factor) {
        for (int r = 0; r < matrix.rows(); r++) {
            for (int c = 0; c < columns; c++) {
                matrix.values()
                        .set((long) r * matrix.stride() + c, (float) (factor * matrix.at(r, c)));
            }
        }
    }

    private void requireReport() {
        assertEquals(1, word.get(ValueLayout.JAVA_INT, 0), "set");
        assertEquals(7, word.get(ValueLayout.JAVA_INT, 4), "op");
        assertEquals(3, word.get(ValueLayout.JAVA_LONG, 8), "index");
        assertEquals(LINES, word.get(ValueLayout.JAVA_LONG, 16), "value");
        assertEquals(LINES, word.get(ValueLayout.JAVA_LONG, 24), "limit");
    }
}
