// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicLong;

/// The few kernels that a communicator calls, in plain loops over host memory, with access to
/// tensors for tests.
public final class FakeKernels implements AutoCloseable {
    final AtomicLong progress = new AtomicLong();
    private final Arena arena = Arena.ofShared();

    /// Returns these methods as [Kernels]; all others, which no communicator may call, throw.
    Kernels kernels() {
        return (Kernels)
                Proxy.newProxyInstance(
                        Kernels.class.getClassLoader(),
                        new Class<?>[] {Kernels.class},
                        (proxy, called, arguments) ->
                                FakeKernels.class
                                        .getMethod(called.getName(), called.getParameterTypes())
                                        .invoke(this, arguments));
    }

    static float[] floats(Tensor x) {
        float[] values = new float[(int) x.elements()];
        for (int row = 0; row < x.rows(); row++) {
            MemorySegment.copy(
                    row(x, row),
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    0,
                    values,
                    row * x.columns(),
                    x.columns());
        }
        return values;
    }

    static void fill(Tensor x, float[] values) {
        for (int row = 0; row < x.rows(); row++) {
            MemorySegment.copy(
                    values,
                    row * x.columns(),
                    row(x, row),
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    0,
                    x.columns());
        }
    }

    static byte[] bytes(Tensor x) {
        return memory(x).toArray(ValueLayout.JAVA_BYTE);
    }

    static void fill(Tensor x, byte[] values) {
        memory(x).copyFrom(MemorySegment.ofArray(values));
    }

    Tensor tensor(DType type, int rows, int columns) {
        return allocate((long) rows * columns * type.bytes()).tensor(0, type, rows, columns);
    }

    public DeviceBuffer allocate(long bytes) {
        MemorySegment memory = arena.allocate(Math.max(bytes, 1), 64);
        return new DeviceBuffer(new DevicePointer(memory.address()), bytes, () -> {});
    }

    public void copyToDevice(MemorySegment host, Tensor target) {
        memory(target).copyFrom(host);
    }

    public void copy(Tensor x, Tensor out) {
        fill(out, floats(x));
    }

    public void copyToHost(Tensor source, MemorySegment host) {
        host.copyFrom(memory(source));
    }

    public void synchronize() {}

    public long progress() {
        return progress.get();
    }

    public void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        float[] added = floats(x);
        float[] sum = floats(residual);
        float[] scale = floats(weight);
        float[] result = new float[sum.length];
        int columns = x.columns();
        for (int row = 0; row < x.rows(); row++) {
            double squares = 0;
            for (int i = row * columns; i < (row + 1) * columns; i++) {
                sum[i] += added[i];
                squares += (double) sum[i] * sum[i];
            }
            double norm = 1 / Math.sqrt(squares / columns + epsilon);
            for (int i = 0; i < columns; i++) {
                result[row * columns + i] = (float) (sum[row * columns + i] * norm * scale[i]);
            }
        }
        fill(residual, sum);
        fill(out, result);
    }

    public void gatherRows(Tensor x, Tensor rows, Tensor out) {
        MemorySegment indices = memory(rows);
        for (int i = 0; i < rows.columns(); i++) {
            row(out, i).copyFrom(row(x, indices.getAtIndex(ValueLayout.JAVA_INT, i)));
        }
    }

    @Override
    public void close() {
        arena.close();
    }

    @SuppressWarnings("restricted")
    private static MemorySegment memory(Tensor x) {
        return MemorySegment.ofAddress(x.pointer().address()).reinterpret(x.bytes());
    }

    private static MemorySegment row(Tensor x, int row) {
        return memory(x.rows(row, row + 1));
    }
}
