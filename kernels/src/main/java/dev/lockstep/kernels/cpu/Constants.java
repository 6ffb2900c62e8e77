// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Vectors and tables that live as long as the kernels.
final class Constants {
    private final CpuMemory memory;

    Constants(CpuMemory memory) {
        this.memory = memory;
    }

    /// Returns the values in one row.
    Tensor vector(float[] values) {
        if (values.length == 0) {
            throw new IllegalArgumentException("a vector has at least one value");
        }
        return table(new float[][] {values}, values.length);
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
