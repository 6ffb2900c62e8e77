// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.TestValues;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/// A matrix in the memory of an emulated device, with gaps between its rows.
record DeviceMatrix(DeviceValues values, int rows, int columns, int stride) {
    private static final int GAP = 3;

    /// Returns values of a standard normal distribution; the gaps are NaN.
    static DeviceMatrix random(Arena arena, DType type, int rows, int columns, long seed) {
        DeviceMatrix matrix = poisoned(arena, type, rows, columns);
        float[] normal = TestValues.normal(new Random(seed), rows * columns);
        for (int i = 0; i < normal.length; i++) {
            matrix.values.set((long) i / columns * matrix.stride + i % columns, normal[i]);
        }
        return matrix;
    }

    /// Returns a matrix of NaN.
    static DeviceMatrix poisoned(Arena arena, DType type, int rows, int columns) {
        int stride = columns + GAP;
        return new DeviceMatrix(
                DeviceValues.poisoned(arena, type, rows * stride), rows, columns, stride);
    }

    MemorySegment memory() {
        return values.memory();
    }

    float at(int row, int column) {
        return values.get((long) row * stride + column);
    }

    double[][] toArray() {
        double[][] array = new double[rows][columns];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                array[r][c] = at(r, c);
            }
        }
        return array;
    }

    /// Requires the expected elements within `units` roundings, and untouched gaps.
    void requireClose(double[][] expected, double units) {
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                double error = units * DeviceValues.error(values.type(), expected[r][c]);
                assertEquals(expected[r][c], at(r, c), error, "row %d, column %d".formatted(r, c));
            }
            for (int c = columns; c < stride; c++) {
                assertTrue(Float.isNaN(at(r, c)), "the gap after row " + r);
            }
        }
    }
}
