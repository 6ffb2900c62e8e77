// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Vectors and tables that live as long as the kernels.
final class Constants {
    private final RowOps ops;
    private final CpuMemory memory;

    Constants(RowOps ops, CpuMemory memory) {
        this.ops = ops;
        this.memory = memory;
    }

    /// Returns the elements of `vector` in one row, as floats.
    Tensor vector(WeightRows vector) {
        CpuEmbedding table = CpuEmbedding.of(vector);
        int elements = table.rows() * table.columns();
        long ids = memory.reserve(4L * table.rows());
        for (int i = 0; i < table.rows(); i++) {
            AllMemory.SEGMENT.set(VectorLanes.INT, ids + i * 4L, i);
        }
        Tensor out = tensor(memory.reserve(4L * elements), 1, elements);
        ops.embed(
                table.data().address(),
                table.type(),
                table.rowBytes(),
                table.columnBytes(),
                table.skipped(),
                table.columns(),
                table.sourceRows().address(),
                ids,
                out.pointer().address(),
                table.columns(),
                0,
                table.rows());
        return out;
    }

    RotaryTable rotary(float[][] cos, float[][] sin) {
        if (cos.length != sin.length || cos.length == 0) {
            throw new IllegalArgumentException(
                    "rotary tables of %d and %d positions".formatted(cos.length, sin.length));
        }
        int half = cos[0].length;
        return new RotaryTable(table(cos, half), table(sin, half), 2 * half);
    }

    private Tensor table(float[][] rows, int columns) {
        Tensor out = tensor(memory.reserve(4L * rows.length * columns), rows.length, columns);
        for (int i = 0; i < rows.length; i++) {
            if (rows[i].length != columns) {
                throw new IllegalArgumentException(
                        "rotary row %d has %d values, the first %d"
                                .formatted(i, rows[i].length, columns));
            }
            MemorySegment.copy(
                    rows[i],
                    0,
                    AllMemory.SEGMENT,
                    ValueLayout.JAVA_FLOAT,
                    out.pointer().address() + 4L * i * columns,
                    columns);
        }
        return out;
    }

    private static Tensor tensor(long address, int rows, int columns) {
        return new Tensor(new DevicePointer(address), DType.F32, rows, columns, columns);
    }
}
