// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The emulation of a GPU's threads, by kernels that need it right or are wrong themselves.
@Tag("processes")
final class EmulationTest {
    private static final int[] ONE = {1, 1, 1};

    private final EmulatedObject checks = EmulatedObject.of("checks");
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment word = arena.allocate(32, 8);
    private final MemorySegment counter = arena.allocate(4, 4);

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void aBlockSumsThroughShufflesAndSharedMemory() {
        float[] values = new float[3 * 1000];
        IntStream.range(0, values.length).forEach(i -> values[i] = i % 17 - 8);
        MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
        MemorySegment out = floats(3);
        call("sum_rows", x, 3, 1000, out, 0).run(3, 256);
        for (int row = 0; row < 3; row++) {
            double sum = 0;
            for (int c = 0; c < 1000; c++) {
                sum += values[row * 1000 + c];
            }
            assertEquals(sum, out.getAtIndex(ValueLayout.JAVA_FLOAT, row));
        }
    }

    @Test
    void collectivesExchangeValuesOfLanes() {
        MemorySegment out = floats(64 * 12);
        call("collectives", out, 0, 0, out, 0).run(1, 64);
        float[] found = out.toArray(ValueLayout.JAVA_FLOAT);
        for (int t = 0; t < 64; t++) {
            int lane = t % 32;
            float[] expected = {
                5,
                lane < 2 ? lane : lane - 2,
                lane > 29 ? lane : lane + 2,
                lane ^ 4,
                11,
                1,
                0,
                496,
                -7,
                31,
                6,
                8
            };
            assertArrayEquals(expected, Arrays.copyOfRange(found, 12 * t, 12 * t + 12));
        }
    }

    @Test
    void aMissingBarrierChangesTheResult() {
        float[] values = new float[64];
        Arrays.setAll(new Float[64], i -> values[i] = i);
        MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
        MemorySegment out = floats(64);
        call("reverse", x, 1, 64, out, 64).run(ONE, 64, 256);
        assertEquals(63, out.getAtIndex(ValueLayout.JAVA_FLOAT, 0));
        call("reverse_without_barrier", x, 1, 64, out, 64).launch(ONE, 64, 256, 0);
        assertTrue(Float.isNaN(out.getAtIndex(ValueLayout.JAVA_FLOAT, 0)), "poison");
        assertEquals(0, out.getAtIndex(ValueLayout.JAVA_FLOAT, 63));
    }

    @Test
    void threadsThatWaitForEverAreReportedWithBlockAndWarp() {
        MemorySegment out = floats(64);
        assertEquals(
                EmulatedObject.LAUNCH_FAILED,
                call("divergent_barrier", out, 0, 0, out, 0).launch(ONE, 64, 0, 0));
        String barrier = checks.error();
        assertTrue(barrier.contains("block (0, 0, 0) of 2 warps: a divergent barrier"), barrier);
        assertTrue(barrier.contains("lane 0 of warp 0 waits"), barrier);
        assertTrue(barrier.contains("lane 0 of warp 1 has ended"), barrier);
        assertEquals(
                EmulatedObject.LAUNCH_FAILED,
                call("divergent_shuffle", out, 0, 0, out, 0).launch(ONE, 32, 0, 0));
        String shuffle = checks.error();
        assertTrue(shuffle.contains("a divergent collective of a warp"), shuffle);
        assertTrue(shuffle.contains("lane 16 of warp 0 has ended"), shuffle);
        assertEquals(0, call("report_all", out, 0, 0, out, 0).launch(ONE, 32, 0, 0));
        assertEquals("", checks.error());
    }

    @Test
    void theSeedChoosesTheOrderOfThreads() {
        float[] forward = order(0);
        float[] backward = order(1);
        for (int i = 0; i < 512; i++) {
            assertEquals(i, forward[i]);
            assertEquals(511 - i, backward[i]);
        }
        assertArrayEquals(order(5), order(5));
        assertFalse(Arrays.equals(order(5), order(6)));
        float[] sorted = order(5);
        Arrays.sort(sorted);
        assertArrayEquals(forward, sorted);
    }

    @Test
    void launchesThatADeviceWouldRefuseAreRefused() {
        MemorySegment out = floats(1);
        assertEquals(1, call("report_all", out, 0, 0, out, 0).launch(ONE, 257, 0, 0));
        assertEquals(1, call("report_all", out, 0, 0, out, 0).launch(ONE, 1, 228 * 1024, 0));
        int[] none = {0, 1, 1};
        assertEquals(1, call("report_all", out, 0, 0, out, 0).launch(none, 1, 0, 0));
        assertTrue(checks.error().contains("a grid of 0 x 1 x 1 blocks"), checks.error());
    }

    @Test
    void anAddressThatIsNoMultipleOfItsTypeFailsTheLaunch() {
        MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2);
        MemorySegment out = floats(1);
        assertEquals(0, call("copy_float", x, 1, 2, out, 4).launch(ONE, 1, 0, 0));
        assertEquals(2, out.get(ValueLayout.JAVA_FLOAT, 0));
        assertEquals(
                EmulatedObject.MISALIGNED_ADDRESS,
                call("copy_float", x, 1, 2, out, 2).launch(ONE, 1, 0, 0));
        assertTrue(checks.error().contains("is no multiple of 4"), checks.error());
        assertEquals(0, call("copy_float", x, 1, 2, out, 0).launch(ONE, 1, 0, 0));
    }

    @Test
    void theFirstIndexOutOfRangeIsReportedOnce() {
        MemorySegment out = floats(1);
        call("report_all", out, 0, 0, out, 0).launch(ONE, 64, 0, 0);
        assertArrayEquals(
                new int[] {1, 7, 0, 0, 100, 0, 50, 0}, word.toArray(ValueLayout.JAVA_INT));
        call("report_all", out, 0, 0, out, 0).launch(ONE, 64, 0, 1);
        assertEquals(100, word.get(ValueLayout.JAVA_LONG, 16), "the first stays");
    }

    @Test
    void floatsAreConvertedAsOnADevice() {
        var random = new Random(3);
        int count = 1 << 16;
        int[] bits = new int[count];
        for (int i = 0; i < count; i++) {
            // Every pattern of 16 bits in the lower half, all exponents in the upper.
            bits[i] = (random.nextInt() & 0xffff0000) | i;
            if (i % 4 == 0) {
                // Within the range of f16 and at its halfway points.
                int exponent = 100 + random.nextInt(45);
                bits[i] = (exponent << 23) | (random.nextInt(1 << 11) << 12) | (i & 0xf000);
            }
        }
        MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_INT, bits);
        MemorySegment out = floats(4 * count);
        int[] grid = {count / 256, 1, 1};
        assertEquals(0, call("convert", x, 1, count, out, count).launch(grid, 256, 0, 0));
        for (int i = 0; i < count; i++) {
            float value = Float.intBitsToFloat(bits[i]);
            assertEquals(bf16(value), out.getAtIndex(ValueLayout.JAVA_FLOAT, 4L * i));
            assertEquals(
                    Float.float16ToFloat(Float.floatToFloat16(value)),
                    out.getAtIndex(ValueLayout.JAVA_FLOAT, 4L * i + 1));
            float half = Float.float16ToFloat((short) bits[i]);
            assertEquals(half, out.getAtIndex(ValueLayout.JAVA_FLOAT, 4L * i + 2));
            if (!Float.isNaN(half)) {
                assertEquals(bits[i] & 0xffff, out.getAtIndex(ValueLayout.JAVA_FLOAT, 4L * i + 3));
            }
        }
    }

    @Test
    void layoutsOfParametersAreExported() {
        assertTrue(checks.layouts().contains("View columns 12 4"), checks.layouts()::toString);
        assertTrue(checks.layouts().contains("CheckParams report 40 16"));
        assertTrue(checks.layouts().contains("Reported limit 24 8"));
    }

    /// Returns the nearest bf16, ties to even, computed with the neighbours.
    private static float bf16(float x) {
        if (Float.isNaN(x) || Float.isInfinite(x)) {
            return x;
        }
        int below = Float.floatToRawIntBits(x) & 0xffff0000;
        int above = below + 0x10000;
        double low = Float.intBitsToFloat(below);
        double unit = Math.abs(Float.intBitsToFloat(0x7f7f0000) - Float.intBitsToFloat(0x7f7e0000));
        double high =
                (above & 0x7fffffff) == 0x7f800000
                        ? Math.copySign(Math.abs(low) + unit, low)
                        : Float.intBitsToFloat(above);
        double toLow = Math.abs(x - low);
        double toHigh = Math.abs(high - x);
        boolean down = toLow < toHigh || (toLow == toHigh && (below >>> 16 & 1) == 0);
        return Float.intBitsToFloat(down ? below : above);
    }

    private float[] order(long seed) {
        MemorySegment out = floats(512);
        counter.set(ValueLayout.JAVA_INT, 0, 0);
        int[] grid = {4, 1, 1};
        assertEquals(0, call("take_numbers", out, 0, 0, out, 0).launch(grid, 128, 0, seed));
        return out.toArray(ValueLayout.JAVA_FLOAT);
    }

    private MemorySegment floats(int count) {
        return arena.allocate(4L * count, 16);
    }

    private KernelCall call(
            String kernel, MemorySegment x, int rows, int columns, MemorySegment out, int size) {
        return new KernelCall(arena, checks, kernel)
                .view(x, rows, columns, columns)
                .output(out)
                .pointer(counter)
                .report(word)
                .number((long) size);
    }
}
