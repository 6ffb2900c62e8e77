// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;

/// The twin of `layer_norm.cpp`, one row.
final class VectorLayerNorm {
    private VectorLayerNorm() {}

    static void row(long x, long weight, long bias, int columns, float epsilon, long out) {
        float mean = mean(x, columns);
        float factor = 1 / (float) Math.sqrt(variance(x, columns, mean) + epsilon);
        for (int c = 0; c < columns; c++) {
            float a = (at(x, c) - mean) * factor;
            MEMORY.set(FLOAT, out + c * 4L, Math.fma(a, at(weight, c), at(bias, c)));
        }
    }

    private static float mean(long x, int columns) {
        float[] sums = new float[VectorLanes.COUNT];
        for (int c = 0; c < columns; c++) {
            sums[c % VectorLanes.COUNT] += at(x, c);
        }
        return VectorLanes.sum(sums) / columns;
    }

    private static float variance(long x, int columns, float mean) {
        float[] squares = new float[VectorLanes.COUNT];
        for (int c = 0; c < columns; c++) {
            float a = at(x, c) - mean;
            int lane = c % VectorLanes.COUNT;
            squares[lane] = Math.fma(a, a, squares[lane]);
        }
        return VectorLanes.sum(squares) / columns;
    }

    private static float at(long floats, int i) {
        return MEMORY.get(FLOAT, floats + i * 4L);
    }
}
