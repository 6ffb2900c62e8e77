// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// The parameter struct of a kernel, field by field in order; each is aligned to its size.
final class KernelParams {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private int alignment = 1;

    KernelParams pointer(MemorySegment memory) {
        return number(memory.address());
    }

    /// Adds a view of dense rows.
    KernelParams view(MemorySegment memory, int rows, int columns) {
        return view(memory, rows, columns, columns);
    }

    KernelParams view(MemorySegment memory, int rows, int columns, int stride) {
        return pointer(memory).number(rows).number(columns).number((long) stride);
    }

    KernelParams number(int value) {
        return put(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value));
    }

    KernelParams number(long value) {
        return put(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value));
    }

    KernelParams number(float value) {
        return number(Float.floatToRawIntBits(value));
    }

    KernelParams number(double value) {
        return number(Double.doubleToRawLongBits(value));
    }

    /// Adds the place of the report, 32 bytes, and the number of the op.
    KernelParams report(MemorySegment word) {
        return pointer(word).number(7L);
    }

    MemorySegment in(Arena arena) {
        pad(alignment);
        return arena.allocate(bytes.size(), 8)
                .copyFrom(MemorySegment.ofArray(bytes.toByteArray()))
                .asReadOnly()
                .asSlice(0, bytes.size());
    }

    static float[] floats(MemorySegment memory) {
        return memory.toArray(ValueLayout.JAVA_FLOAT);
    }

    static int[] ints(MemorySegment memory) {
        return memory.toArray(ValueLayout.JAVA_INT);
    }

    private KernelParams put(ByteBuffer value) {
        pad(value.capacity());
        alignment = Math.max(alignment, value.capacity());
        bytes.writeBytes(value.array());
        return this;
    }

    private void pad(int size) {
        while (bytes.size() % size != 0) {
            bytes.write(0);
        }
    }
}
