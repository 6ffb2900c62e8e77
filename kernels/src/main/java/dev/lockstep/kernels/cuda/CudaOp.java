// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// A kernel and the struct of its parameters, which is filled number by number, in order, for each
/// launch; one thread at a time uses it.
final class CudaOp {
    static final int MAX_THREADS = 256;

    private static final int WARP = 32;
    private static final int COLUMNS_OF_THREAD = 4;
    private static final int MAX_TILES = 65535;

    private final Cuda cuda;
    private final CudaStream stream;
    private final DevicePointer reports;
    private final CudaKernel kernel;
    private final KernelStruct.Leaf[] leaves;
    private final MemorySegment parameters;
    private int next;

    /// @param reports where kernels report an index out of range
    CudaOp(
            Cuda cuda,
            CudaStream stream,
            DevicePointer reports,
            CudaKernel kernel,
            KernelStruct struct,
            Arena arena) {
        this.cuda = cuda;
        this.stream = stream;
        this.reports = reports;
        this.kernel = kernel;
        leaves = struct.leaves().toArray(KernelStruct.Leaf[]::new);
        parameters = arena.allocate(struct.bytes(), Long.BYTES);
    }

    /// Begins the parameters of a launch.
    CudaOp begin() {
        next = 0;
        return this;
    }

    CudaOp view(Tensor tensor) {
        return view(tensor.pointer(), tensor.rows(), tensor.columns(), tensor.stride());
    }

    CudaOp view(DevicePointer data, int rows, int columns, long stride) {
        return pointer(data).i32(rows).i32(columns).i64(stride);
    }

    CudaOp pointer(Tensor tensor) {
        return pointer(tensor.pointer());
    }

    CudaOp pointer(DevicePointer memory) {
        return put(KernelStruct.NumberType.POINTER, memory.address());
    }

    /// Adds the pointer to nothing.
    CudaOp nullPointer() {
        return put(KernelStruct.NumberType.POINTER, 0);
    }

    CudaOp i64(long value) {
        return put(KernelStruct.NumberType.I64, value);
    }

    CudaOp i32(int value) {
        return put(KernelStruct.NumberType.I32, value);
    }

    CudaOp f32(float value) {
        return put(KernelStruct.NumberType.F32, Float.floatToRawIntBits(value));
    }

    CudaOp f64(double value) {
        return put(KernelStruct.NumberType.F64, Double.doubleToRawLongBits(value));
    }

    /// Adds where the kernel reports indices out of range, and as what.
    CudaOp report(CheckedIndex checked) {
        return pointer(reports).i64(KernelNumbers.of(checked));
    }

    private CudaOp put(KernelStruct.NumberType number, long bits) {
        if (next == leaves.length || leaves[next].number() != number) {
            throw new IllegalStateException(
                    "number %d of the parameters of %s is no %s"
                            .formatted(next, kernel.name(), number));
        }
        int offset = leaves[next++].offset();
        if (number.bytes() == Long.BYTES) {
            parameters.set(ValueLayout.JAVA_LONG, offset, bits);
        } else {
            parameters.set(ValueLayout.JAVA_INT, offset, (int) bits);
        }
        return this;
    }

    /// Enqueues the kernel for tiles of rows: a grid of rows and tiles of columns, or nothing for a
    /// matrix without elements.
    void launchTiles(int rows, int columns) {
        if (rows > 0 && columns > 0) {
            int threads = threads(columns);
            int tiles = (columns - 1) / (threads * COLUMNS_OF_THREAD) + 1;
            launch(rows, Math.min(tiles, MAX_TILES), 1, threads);
        }
    }

    /// Enqueues the kernel with a block of whole warps for each row.
    void launchRows(int rows, int columns) {
        if (rows > 0) {
            launch(rows, 1, 1, threads(columns));
        }
    }

    /// Enqueues the kernel with a thread for each of `count` elements.
    void launchThreads(int count) {
        if (count > 0) {
            int threads = threads(count);
            launch((count - 1) / threads + 1, 1, 1, threads);
        }
    }

    /// Returns the threads of a block for `work` elements.
    static int threads(int work) {
        return work >= MAX_THREADS ? MAX_THREADS : Math.max((work + WARP - 1) / WARP * WARP, WARP);
    }

    /// Enqueues the kernel with the numbers given since [#begin], all of them.
    ///
    /// @param threads of a block
    void launch(int gridX, int gridY, int gridZ, int threads) {
        launch(gridX, gridY, gridZ, threads, 0);
    }

    /// @param sharedBytes of dynamic shared memory, at most what the kernel was loaded for
    void launch(int gridX, int gridY, int gridZ, int threads, int sharedBytes) {
        if (next != leaves.length) {
            throw new IllegalStateException(
                    "%d of %d numbers of the parameters of %s"
                            .formatted(next, leaves.length, kernel.name()));
        }
        cuda.launch(kernel, gridX, gridY, gridZ, threads, sharedBytes, parameters, stream);
    }
}
