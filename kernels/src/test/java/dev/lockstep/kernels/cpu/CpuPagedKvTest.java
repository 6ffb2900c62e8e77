// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.AttentionRun;
import dev.lockstep.kernels.AttentionRun.Chunk;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.TestDevice;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

final class CpuPagedKvTest {

    @Test
    void theNullBlockIsNeverWritten() {
        requireNullBlock(DType.F16);
        requireNullBlock(DType.I8);
        requireNullBlock(DType.FP8);
    }

    private static void requireNullBlock(DType type) {
        try (var device = new TestDevice(CpuKernels.open(CpuOptions.ofThreads(2)))) {
            var shape = new AttentionShape(new int[] {0, 0, 1}, 2, 32, 1);
            var run = new AttentionRun(device, shape, type, 2, 1);
            run.step(new Chunk(0, 0, 33), new Chunk(1, 0, 16));
            run.step(
                    new Chunk(0, 33, 1),
                    new Chunk(AttentionRun.PADDING, 0, 3),
                    new Chunk(1, 16, 1));
            var kv = (CpuPagedKv) run.kv();
            for (long at = 0; at < kv.blockBytes(); at++) {
                assertEquals(
                        0, AllMemory.SEGMENT.get(ValueLayout.JAVA_BYTE, kv.address(0, 0) + at));
            }
        }
    }

    @Test
    void unsupportedBlockSizesAndTypesAreRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new CpuPagedKv(new CpuMemory(), new KvLayout(1, 1, 32, DType.F16, 32), 4));
        assertThrows(
                IllegalArgumentException.class,
                () -> new CpuPagedKv(new CpuMemory(), new KvLayout(1, 1, 32, DType.I32, 16), 4));
    }

    @Test
    void headsThatQ8DoesNotDivideAreRefused() {
        IllegalArgumentException refused =
                assertThrows(
                        IllegalArgumentException.class, () -> new KvLayout(1, 1, 48, DType.I8, 16));
        assertEquals(
                "q8 keys and values of heads of 48, must be a multiple of 32",
                refused.getMessage());
    }

    @Test
    void anElementOfFp8TakesAByteInAHeadOfAnySize() {
        var layout = new KvLayout(3, 2, 20, DType.FP8, 16);
        assertEquals(3 * 2 * 16 * 2 * 20, layout.bytesPerBlock());
    }

    @Test
    void valuesThatAreKeysTakeNoBytes() {
        for (DType type : new DType[] {DType.F32, DType.F16, DType.FP8, DType.I8}) {
            var both = new KvLayout(3, 2, 64, type, 16);
            var keys = new KvLayout(3, 2, 64, type, 16, true);
            assertEquals(both.bytesPerBlock(), 2 * keys.bytesPerBlock());
            assertEquals(keys.bytesPerBlock(), 3 * keys.ofOneLayer().bytesPerBlock());
        }
    }

    @Test
    void anElementOfQ8TakesEightAndAHalfBits() {
        var layout = new KvLayout(3, 2, 64, DType.I8, 16);
        assertEquals(3 * 2 * 16 * 2 * 64 * 17 / 16, layout.bytesPerBlock());
    }
}
