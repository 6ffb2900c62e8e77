// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// A launch of an emulated kernel: its parameters field by field, each aligned to its size.
final class KernelCall {
    private final EmulatedObject object;
    private final String kernel;
    private final Arena arena;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final List<MemorySegment> outputs = new ArrayList<>();

    /// Creates a call of the kernel of file `kernel.cu`.
    KernelCall(Arena arena, String kernel, String... options) {
        this(arena, EmulatedObject.of(kernel, options), kernel);
    }

    KernelCall(Arena arena, EmulatedObject object, String kernel) {
        this.object = object;
        this.kernel = kernel;
        this.arena = arena;
    }

    /// Returns the place of a value in its enum, by which kernels know it.
    static int numberOf(Enum<?> value) {
        return List.of(value.getDeclaringClass().getEnumConstants()).indexOf(value);
    }

    KernelCall pointer(MemorySegment memory) {
        return number(memory.address());
    }

    /// Adds an address of memory that the kernel writes.
    KernelCall output(MemorySegment memory) {
        outputs.add(memory);
        return pointer(memory);
    }

    KernelCall view(MemorySegment memory, int rows, int columns, int stride) {
        return pointer(memory).number(rows).number(columns).number((long) stride);
    }

    KernelCall view(DeviceMatrix matrix) {
        return view(matrix.memory(), matrix.rows(), matrix.columns(), matrix.stride());
    }

    /// Adds a view of memory that the kernel writes.
    KernelCall output(DeviceMatrix matrix) {
        outputs.add(matrix.memory());
        return view(matrix);
    }

    KernelCall number(int value) {
        return put(value, Integer.BYTES);
    }

    KernelCall number(long value) {
        return put(value, Long.BYTES);
    }

    KernelCall number(float value) {
        return number(Float.floatToRawIntBits(value));
    }

    KernelCall number(double value) {
        return number(Double.doubleToRawLongBits(value));
    }

    /// Adds the place of the report, 32 bytes, and the number 7 of the op.
    KernelCall report(MemorySegment word) {
        return pointer(word).number(7L);
    }

    /// Runs the kernel in three orders of its threads; each must give the same bits in the outputs,
    /// which are reset in between.
    void run(int blocks, int threads) {
        run(new int[] {blocks, 1, 1}, threads, 0);
    }

    void run(int[] grid, int threads, int shared) {
        List<byte[]> before = contents();
        List<byte[]> expected = before;
        for (long seed = 0; seed < 3; seed++) {
            for (int i = 0; i < before.size(); i++) {
                outputs.get(i).copyFrom(MemorySegment.ofArray(before.get(i)));
            }
            assertEquals(0, launch(grid, threads, shared, seed), object.error());
            List<byte[]> after = contents();
            for (int i = 0; seed > 0 && i < after.size(); i++) {
                MemorySegment other = MemorySegment.ofArray(expected.get(i));
                assertEquals(
                        -1,
                        MemorySegment.ofArray(after.get(i)).mismatch(other),
                        "%s, output %d, order %d".formatted(kernel, i, seed));
            }
            expected = after;
        }
    }

    /// Runs the kernel once; returns 0 or an error number of the driver.
    int launch(int[] grid, int threads, int shared, long seed) {
        MemorySegment params = arena.allocate(bytes.size(), 8);
        params.copyFrom(MemorySegment.ofArray(bytes.toByteArray()));
        return object.launch(kernel, grid, new int[] {threads, 1, 1}, shared, params, seed);
    }

    private List<byte[]> contents() {
        return outputs.stream().map(each -> each.toArray(ValueLayout.JAVA_BYTE)).toList();
    }

    /// Adds a little-endian number at the next multiple of its size.
    private KernelCall put(long value, int size) {
        while (bytes.size() % size != 0) {
            bytes.write(0);
        }
        for (int i = 0; i < size; i++) {
            bytes.write((int) (value >>> (8 * i)));
        }
        return this;
    }
}
