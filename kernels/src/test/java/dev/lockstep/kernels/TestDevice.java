// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/// Kernels, and tensors with the values of host arrays; a test opens one and closes it with all its
/// memory.
public final class TestDevice implements AutoCloseable {
    private final Kernels kernels;
    private final Deque<Runnable> atClose = new ArrayDeque<>();

    public TestDevice(Kernels kernels) {
        this.kernels = kernels;
    }

    public Kernels kernels() {
        return kernels;
    }

    public DType activationType() {
        return kernels.activationType();
    }

    /// Returns F32 and the activation type, each once: the types of tensors that are either.
    public List<DType> floatTypes() {
        return activationType() == DType.F32
                ? List.of(DType.F32)
                : List.of(DType.F32, activationType());
    }

    public Tensor zeros(DType type, int rows, int columns) {
        DeviceBuffer buffer = kernels.allocate((long) rows * columns * type.bytes());
        atClose(buffer::close);
        return buffer.tensor(0, type, rows, columns);
    }

    /// Returns a tensor of the activation type.
    public Tensor zeros(int rows, int columns) {
        return zeros(activationType(), rows, columns);
    }

    /// Returns `values` as a tensor of the activation type stores them.
    public float[] stored(float... values) {
        return Rounding.of(values, activationType());
    }

    /// Returns a tensor of the activation type; values that it cannot store are rounded.
    public Tensor activations(int rows, int columns, float... values) {
        return tensor(activationType(), rows, columns, values);
    }

    public Tensor floats(int rows, int columns, float... values) {
        return tensor(DType.F32, rows, columns, values);
    }

    /// Returns a tensor of a float type; values that it cannot store are rounded.
    public Tensor tensor(DType type, int rows, int columns, float... values) {
        Tensor tensor = zeros(type, rows, columns);
        write(tensor, values);
        return tensor;
    }

    /// Replaces the values of a tensor of a float type.
    public void write(Tensor tensor, float... values) {
        kernels.copyToDevice(encode(tensor.type(), values), tensor);
    }

    public Tensor ints(int rows, int columns, int... values) {
        Tensor tensor = zeros(DType.I32, rows, columns);
        kernels.copyToDevice(MemorySegment.ofArray(values), tensor);
        return tensor;
    }

    /// Reads a tensor of any float type.
    public float[] floats(Tensor tensor) {
        float[] values = new float[tensor.rows() * tensor.columns()];
        if (tensor.type() == DType.F32) {
            kernels.copyToHost(tensor, MemorySegment.ofArray(values));
            return values;
        }
        short[] codes = new short[values.length];
        kernels.copyToHost(tensor, MemorySegment.ofArray(codes));
        for (int i = 0; i < values.length; i++) {
            values[i] = decode(tensor.type(), codes[i]);
        }
        return values;
    }

    public int[] ints(Tensor tensor) {
        int[] values = new int[tensor.rows() * tensor.columns()];
        kernels.copyToHost(tensor, MemorySegment.ofArray(values));
        return values;
    }

    /// Returns the raw bits of a float tensor's values as F32, so that a comparison distinguishes 0
    /// from −0.
    public int[] bits(Tensor tensor) {
        return MemorySegment.ofArray(floats(tensor)).toArray(ValueLayout.JAVA_INT);
    }

    /// Requires that an index out of range is refused by the op or by the next wait, and returns
    /// the error.
    public IllegalArgumentException requireRefused(Runnable op) {
        return assertThrows(
                IllegalArgumentException.class,
                () -> {
                    op.run();
                    kernels.synchronize();
                });
    }

    /// Registers `action` to run before the kernels are closed, the last registered first.
    public void atClose(Runnable action) {
        atClose.push(action);
    }

    @Override
    public void close() {
        while (!atClose.isEmpty()) {
            atClose.pop().run();
        }
        kernels.close();
    }

    private static MemorySegment encode(DType type, float[] values) {
        if (type == DType.F32) {
            return MemorySegment.ofArray(values);
        }
        short[] codes = new short[values.length];
        for (int i = 0; i < values.length; i++) {
            codes[i] =
                    switch (type) {
                        case F16 -> Float.floatToFloat16(values[i]);
                        case BF16 -> Rounding.toBf16(values[i]);
                        case F32, I32, I8, FP8 -> throw notHalf(type);
                    };
        }
        return MemorySegment.ofArray(codes);
    }

    private static float decode(DType type, short code) {
        return switch (type) {
            case F16 -> Float.float16ToFloat(code);
            case BF16 -> Rounding.fromBf16(code);
            case F32, I32, I8, FP8 -> throw notHalf(type);
        };
    }

    private static IllegalArgumentException notHalf(DType type) {
        return new IllegalArgumentException(type + " is no float type of two bytes");
    }
}
