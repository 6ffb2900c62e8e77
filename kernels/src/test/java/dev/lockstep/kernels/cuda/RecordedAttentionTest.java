// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A decode step of attention that was recorded once, and what depends on the lengths of sequences.
@Tag("gpu")
final class RecordedAttentionTest {
    private static final int HEAD = 20;
    private static final int BLOCK = 16;
    private static final int POSITIONS = 640;
    private static final int COLUMNS = POSITIONS / BLOCK;
    private static final int ROWS = 4;

    private final TestDevice device = new TestDevice(CudaUnderTest.open(DType.F32));
    private final Kernels kernels = device.kernels();

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @CsvSource({"F16, 2147483647", "F32, 300", "BF16, 17"})
    void aRecordedStepGivesTheBitsOfAnEagerOneWithOtherLengthsAndBlocks(DType type, int window) {
        var step = new Step(type, window, COLUMNS);
        step.fill();
        kernels.reserve(ROWS, ROWS, POSITIONS);
        step.write(1, new int[] {0, 0, 0, 0}, new int[] {-1, -1, -1, -1});
        Recording recording = kernels.record(step::run).orElseThrow();
        int[][] computed = {{599, 0, 255, 256}, {5, 0, 0, 630}, {511, 512, 513, 40}, {0, 0, 0, 0}};
        int[][] lines = {{0, 1, 2, 3}, {3, -1, -1, 0}, {2, 3, 0, 1}, {-1, -1, -1, -1}};
        for (int i = 0; i < computed.length; i++) {
            int[][] bits = new int[2][];
            for (int recorded = 0; recorded < 2; recorded++) {
                step.write(10 + i, computed[i], lines[i]);
                if (recorded == 0) {
                    step.run();
                } else {
                    recording.launch();
                }
                bits[recorded] = device.bits(step.out);
            }
            assertArrayEquals(bits[0], bits[1], "step " + i);
            boolean padded = Arrays.stream(lines[i]).allMatch(line -> line < 0);
            assertEquals(padded, Arrays.stream(bits[0]).allMatch(each -> each == 0));
            step.swapBlocks();
        }
        recording.close();
    }

    @Test
    void aTableWithMoreBlocksThanReservedNeedsNoMoreMemory() {
        var step = new Step(DType.F16, AttentionShape.NO_WINDOW, 20 * COLUMNS);
        kernels.reserve(ROWS, ROWS, 300);
        step.write(1, new int[] {400, 0, 0, 0}, new int[] {0, -1, -1, -1});
        long before = kernels.allocatedBytes();
        step.run();
        kernels.synchronize();
        assertEquals(before, kernels.allocatedBytes());
    }

    @Test
    void aRowThatEndsBeyondItsLineIsRefusedByTheNextWait() {
        var step = new Step(DType.F32, AttentionShape.NO_WINDOW, COLUMNS);
        step.write(1, new int[] {0, POSITIONS, 0, 0}, new int[] {0, 1, -1, -1});
        step.run();
        assertEquals(
                "plan: length 641 at index 1, must be 0 to 640",
                assertThrows(IllegalArgumentException.class, kernels::synchronize).getMessage());
    }

    @Test
    void moreCopiesThanALaunchTakesAreDoneOneAfterTheOther() {
        var step = new Step(DType.BF16, AttentionShape.NO_WINDOW, COLUMNS);
        step.fill();
        step.write(1, new int[] {14, 0, 0, 0}, new int[] {0, -1, -1, -1});
        step.run();
        int[] expected = device.bits(step.out);
        int from = step.entries[0];
        List<BlockCopy> copies = new ArrayList<>();
        int last = from;
        for (int i = 0; i < 1500; i++) {
            int to = 200 + i % 50;
            copies.add(new BlockCopy(last, to, BLOCK));
            last = to;
        }
        kernels.copyBlocks(step.kv, copies);
        step.entries[0] = last;
        step.write(1, new int[] {14, 0, 0, 0}, new int[] {0, -1, -1, -1});
        step.run();
        assertArrayEquals(expected, device.bits(step.out));
    }

    @Test
    void copiesAreRefusedInARecording() {
        var step = new Step(DType.F32, AttentionShape.NO_WINDOW, COLUMNS);
        assertThrows(
                IllegalStateException.class,
                () ->
                        kernels.record(
                                () ->
                                        kernels.copyBlocks(
                                                step.kv, List.of(new BlockCopy(1, 2, 3)))));
    }

    @Test
    void whatAGpuCannotAttendToIsRefused() {
        var wide = new AttentionShape(new int[] {0}, 1, 641, 1);
        IllegalArgumentException refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> kernels.attention(wide, new KvLayout(1, 1, 641, DType.F32, BLOCK)));
        assertEquals("head size 641, must be 1 to 640 on a GPU", refused.getMessage());
        var shape = new AttentionShape(new int[] {0}, 1, 16, 1);
        for (DType type : List.of(DType.I8, DType.FP8)) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.attention(shape, new KvLayout(1, 1, 16, type, BLOCK)));
        }
    }

    /// The tensors of a decode step of [#ROWS] rows, which stay where they are.
    private final class Step {
        final AttentionBackend backend;
        final PagedKv kv;
        final Tensor out = device.zeros(ROWS, 3 * HEAD);
        final int[] entries;
        private final AttentionShape shape;
        private final RotaryTable rotary;
        private final int columns;
        private final Tensor table;
        private final Tensor starts = device.ints(1, ROWS + 1, 0, 1, 2, 3, 4);
        private final Tensor computed = device.zeros(DType.I32, 1, ROWS);
        private final Tensor lines = device.zeros(DType.I32, 1, ROWS);
        private final Tensor positions = device.zeros(DType.I32, 1, ROWS);
        private final Tensor qkv = device.zeros(ROWS, 7 * HEAD);

        Step(DType type, int window, int columns) {
            this.columns = columns;
            shape = new AttentionShape(new int[] {1, 0, 1}, 2, HEAD, 0.3f, window, 0);
            var layout = new KvLayout(1, 2, HEAD, type, BLOCK);
            backend = kernels.attention(shape, layout);
            kv = kernels.allocateKv(layout, 260);
            device.atClose(kv::close);
            float[][] cos = new float[POSITIONS + 1][HEAD / 2];
            float[][] sin = new float[POSITIONS + 1][HEAD / 2];
            for (int p = 0; p <= POSITIONS; p++) {
                for (int i = 0; i < HEAD / 2; i++) {
                    cos[p][i] = (float) Math.cos(p * 0.3 / (i + 1));
                    sin[p][i] = (float) Math.sin(p * 0.3 / (i + 1));
                }
            }
            rotary = kernels.prepareRotary(cos, sin);
            entries = IntStream.range(0, ROWS * columns).map(i -> 1 + i % 160).toArray();
            table = device.zeros(DType.I32, ROWS, columns);
        }

        /// Stores all positions of all lines.
        void fill() {
            int tokens = ROWS * POSITIONS;
            kernels.copyToDevice(MemorySegment.ofArray(entries), table);
            AttentionPlan plan =
                    backend.plan(
                            new PagedBatch(
                                    ROWS,
                                    tokens,
                                    device.ints(
                                            1,
                                            ROWS + 1,
                                            0,
                                            POSITIONS,
                                            2 * POSITIONS,
                                            3 * POSITIONS,
                                            tokens),
                                    device.ints(1, ROWS, 0, 0, 0, 0),
                                    device.ints(1, ROWS, 0, 1, 2, 3),
                                    table));
            int[] all = IntStream.range(0, tokens).map(t -> t % POSITIONS).toArray();
            float[] values =
                    TestValues.normal(new Random(1), tokens * shape.qkvColumns(kv.layout()));
            Tensor tokensOfAll = device.activations(tokens, shape.qkvColumns(kv.layout()), values);
            backend.rotateAndStore(plan, tokensOfAll, rotary, device.ints(1, tokens, all), kv, 0);
            kernels.synchronize();
        }

        void write(long seed, int[] computedTokens, int[] ofLines) {
            kernels.copyToDevice(MemorySegment.ofArray(entries), table);
            kernels.copyToDevice(MemorySegment.ofArray(computedTokens), computed);
            kernels.copyToDevice(MemorySegment.ofArray(computedTokens), positions);
            kernels.copyToDevice(MemorySegment.ofArray(ofLines), lines);
            device.write(
                    qkv, TestValues.normal(new Random(seed), ROWS * shape.qkvColumns(kv.layout())));
        }

        /// Lets lines 0 and 3 exchange their blocks.
        void swapBlocks() {
            for (int i = 0; i < columns; i++) {
                int block = entries[i];
                entries[i] = entries[3 * columns + i];
                entries[3 * columns + i] = block;
            }
        }

        void run() {
            AttentionPlan plan =
                    backend.plan(new PagedBatch(ROWS, ROWS, starts, computed, lines, table));
            backend.rotateAndStore(plan, qkv, rotary, positions, kv, 0);
            backend.attend(plan, qkv, kv, 0, out);
        }
    }
}
