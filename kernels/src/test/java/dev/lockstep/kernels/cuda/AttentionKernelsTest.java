// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Rotation, storing and attention over a paged cache against plain loops in double.
@Tag("processes")
final class AttentionKernelsTest {
    private static final int NO_WINDOW = Integer.MAX_VALUE;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment word = arena.allocate(32, 8);

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @CsvSource({
        "F32, F32, 16, 16, 2147483647, 0",
        "F32, F16, 24, 64, 2147483647, 30",
        "BF16, BF16, 64, 16, 300, 0",
        "F32, F32, 256, 16, 5, 0",
        "F32, F32, 576, 16, 2147483647, 0",
        "BF16, BF16, 640, 16, 300, 0"
    })
    void everyTokenAttendsToItsPositions(
            DType type, DType kvType, int headSize, int blockSize, int window, float softCap) {
        var step =
                new AttentionStep(arena, word, type, kvType, headSize, blockSize, window, softCap);
        step.row(2, 0, 7);
        step.row(-1, 0, 2);
        step.row(0, 700, 1);
        step.row(3, 255, 3);
        step.run(100);
        step.requireExpected();
        float[] shared = step.outputs();
        step.run(0);
        assertArrayEquals(shared, step.outputs(), "one block merges with the same bits");
        step.run(2);
        assertArrayEquals(shared, step.outputs(), "the partial results last for no row");
        assertEquals(0, word.get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void aTokenHasTheSameBitsInAnyBatchAndChunk() {
        var whole = new AttentionStep(arena, word, DType.F32, DType.F32, 24, 16, NO_WINDOW, 0);
        whole.row(1, 500, 30);
        whole.run(64);
        float[] outputs = whole.outputs();
        for (int t = 12; t < 30; t += 17) {
            var alone = new AttentionStep(arena, word, DType.F32, DType.F32, 24, 16, NO_WINDOW, 0);
            alone.row(0, 700, 1);
            alone.copyToken(whole, t, 1, 500 + t);
            alone.run(64);
            float[] single = alone.outputs();
            int row = AttentionStep.QUERY_HEADS * 24;
            for (int i = 0; i < row; i++) {
                assertEquals(outputs[t * row + i], single[row + i]);
            }
        }
    }

    @Test
    void whatIsOutOfRangeIsReportedAndNotStored() {
        var line = new AttentionStep(arena, word, DType.F32, DType.F32, 16, 16, NO_WINDOW, 0);
        line.row(0, 3, 1);
        line.row(9, 0, 2);
        line.run(10);
        requireReported(1, 9, 4);
        var block = new AttentionStep(arena, word, DType.F32, DType.F32, 16, 16, NO_WINDOW, 0);
        block.row(0, 3, 1);
        block.table.setAtIndex(ValueLayout.JAVA_INT, 0, AttentionStep.BLOCKS);
        block.run(10);
        requireReported(0, AttentionStep.BLOCKS, AttentionStep.BLOCKS);
        var length = new AttentionStep(arena, word, DType.F32, DType.F32, 16, 16, NO_WINDOW, 0);
        length.row(0, 16 * AttentionStep.TABLE_BLOCKS, 1);
        length.run(10);
        int end = 16 * AttentionStep.TABLE_BLOCKS + 1;
        requireReported(0, end, end);
        var position = new AttentionStep(arena, word, DType.F32, DType.F32, 16, 16, NO_WINDOW, 0);
        position.row(0, 5, 1);
        position.rotaryPositions = 5;
        position.run(10);
        requireReported(0, 5, 5);
    }

    @Test
    void blocksAreCopiedInOrder() {
        int headSize = 5;
        DeviceValues cache = DeviceValues.of(arena, DType.BF16, new float[4 * 2 * 2 * 3 * 4 * 5]);
        for (int i = 0; i < 4 * 2 * 2 * 3 * 4 * 5; i++) {
            cache.set(i, i % 251);
        }
        float[] before = new float[960];
        for (int i = 0; i < 960; i++) {
            before[i] = cache.get(i);
        }
        AttentionStep.kv(
                        new KernelCall(arena, "copy_blocks", "-DKV=BF16"),
                        cache.memory(),
                        2,
                        3,
                        4,
                        headSize,
                        4,
                        true)
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, 1, 2, 3, 2, 3, 2))
                .number(2)
                .number(headSize)
                .run(new int[] {2, 3, 2}, 32, 0);
        for (int i = 0; i < 960; i++) {
            int block = i / 240;
            int token = i / headSize % 4;
            int from = block == 2 && token < 3 ? i - 240 : block == 3 && token < 2 ? i - 480 : i;
            assertEquals(before[from], cache.get(i), "element " + i);
        }
    }

    private void requireReported(long index, long value, long limit) {
        assertArrayEquals(
                new long[] {1 | 7L << 32, index, value, limit},
                word.toArray(ValueLayout.JAVA_LONG));
        word.fill((byte) 0);
    }
}
