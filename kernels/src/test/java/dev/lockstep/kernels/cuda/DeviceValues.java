// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Rounding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Floats as a kernel reads and writes them, of one type.
record DeviceValues(DType type, MemorySegment memory) {

    /// Copies `values`, rounded to `type`.
    static DeviceValues of(Arena arena, DType type, float... values) {
        var copy = new DeviceValues(type, arena.allocate((long) values.length * type.bytes(), 256));
        for (int i = 0; i < values.length; i++) {
            copy.set(i, values[i]);
        }
        return copy;
    }

    /// Returns `count` values that no kernel should leave: NaN.
    static DeviceValues poisoned(Arena arena, DType type, int count) {
        MemorySegment memory = arena.allocate((long) count * type.bytes(), 256);
        return new DeviceValues(type, memory.fill((byte) 0xff));
    }

    float get(long index) {
        return switch (type) {
            case F32 -> memory.getAtIndex(ValueLayout.JAVA_FLOAT, index);
            case F16 -> Float.float16ToFloat(memory.getAtIndex(ValueLayout.JAVA_SHORT, index));
            case BF16 ->
                    Float.intBitsToFloat(memory.getAtIndex(ValueLayout.JAVA_SHORT, index) << 16);
            case I32, I8, FP8 -> throw new IllegalArgumentException(type + " is not a float");
        };
    }

    void set(long index, float value) {
        switch (type) {
            case F32 -> memory.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
            case F16 ->
                    memory.setAtIndex(ValueLayout.JAVA_SHORT, index, Float.floatToFloat16(value));
            case BF16 ->
                    memory.setAtIndex(
                            ValueLayout.JAVA_SHORT,
                            index,
                            (short) (Float.floatToRawIntBits(Rounding.of(value, type)) >>> 16));
            case I32, I8, FP8 -> throw new IllegalArgumentException(type + " is not a float");
        }
    }

    /// Returns the greatest rounding error of a value about as large as `value`.
    static double error(DType type, double value) {
        double relative =
                switch (type) {
                    case F32 -> 2e-6;
                    case F16 -> 0x1p-11;
                    case BF16 -> 0x1p-8;
                    case I32, I8, FP8 -> 0;
                };
        return relative * Math.abs(value) + 2e-6;
    }
}
