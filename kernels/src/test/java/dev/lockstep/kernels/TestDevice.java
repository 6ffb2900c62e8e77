// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;

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

    public Tensor zeros(DType type, int rows, int columns) {
        DeviceBuffer buffer = kernels.allocate((long) rows * columns * type.bytes());
        atClose(buffer::close);
        return buffer.tensor(0, type, rows, columns);
    }

    public Tensor floats(int rows, int columns, float... values) {
        Tensor tensor = zeros(DType.F32, rows, columns);
        kernels.copyToDevice(MemorySegment.ofArray(values), tensor);
        return tensor;
    }

    public Tensor ints(int rows, int columns, int... values) {
        Tensor tensor = zeros(DType.I32, rows, columns);
        kernels.copyToDevice(MemorySegment.ofArray(values), tensor);
        return tensor;
    }

    public float[] floats(Tensor tensor) {
        float[] values = new float[tensor.rows() * tensor.columns()];
        kernels.copyToHost(tensor, MemorySegment.ofArray(values));
        return values;
    }

    public int[] ints(Tensor tensor) {
        int[] values = new int[tensor.rows() * tensor.columns()];
        kernels.copyToHost(tensor, MemorySegment.ofArray(values));
        return values;
    }

    /// Returns the raw bits of floats, so that a comparison distinguishes 0 from −0.
    public int[] bits(Tensor tensor) {
        return MemorySegment.ofArray(floats(tensor)).toArray(ValueLayout.JAVA_INT);
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
}
