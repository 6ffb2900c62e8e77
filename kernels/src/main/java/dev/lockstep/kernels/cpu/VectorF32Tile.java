// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;
import jdk.incubator.vector.FloatVector;

/// f32 weights, tile `[column][16 rows]`, as in `matmul_f32.cpp`.
final class VectorF32Tile implements VectorTile {
    private static final long COLUMN_BYTES = 64;

    @Override
    public long tileBytes(int columns) {
        return COLUMN_BYTES * columns;
    }

    @Override
    public void pack(WeightSource source, long row, long out) {
        for (int column = 0; column < source.columns(); column++) {
            SEGMENT.set(FLOAT, out + 64L * column, VectorPack.element(source.type(), row, column));
        }
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int column = 0; column < columns; column++) {
                FloatVector w =
                        FloatVector.fromMemorySegment(
                                SPECIES, SEGMENT, weights + column * COLUMN_BYTES, ORDER);
                float value = SEGMENT.get(FLOAT, x + 4L * column);
                sum = w.fma(FloatVector.broadcast(SPECIES, value), sum);
            }
            store(sum, out, row, rows);
        }
    }

    @Override
    public void four(
            long x, long xStride, int columns, long tile, long out, long outStride, int rows) {
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            FloatVector sum0 = FloatVector.zero(SPECIES);
            FloatVector sum1 = sum0;
            FloatVector sum2 = sum0;
            FloatVector sum3 = sum0;
            for (int column = 0; column < columns; column++) {
                long at = x + 4L * column;
                FloatVector w =
                        FloatVector.fromMemorySegment(
                                SPECIES, SEGMENT, weights + column * COLUMN_BYTES, ORDER);
                float value0 = SEGMENT.get(FLOAT, at);
                float value1 = SEGMENT.get(FLOAT, at + xStride);
                float value2 = SEGMENT.get(FLOAT, at + 2 * xStride);
                float value3 = SEGMENT.get(FLOAT, at + 3 * xStride);
                sum0 = w.fma(FloatVector.broadcast(SPECIES, value0), sum0);
                sum1 = w.fma(FloatVector.broadcast(SPECIES, value1), sum1);
                sum2 = w.fma(FloatVector.broadcast(SPECIES, value2), sum2);
                sum3 = w.fma(FloatVector.broadcast(SPECIES, value3), sum3);
            }
            store(sum0, out, row, rows);
            store(sum1, out + outStride, row, rows);
            store(sum2, out + 2 * outStride, row, rows);
            store(sum3, out + 3 * outStride, row, rows);
        }
    }

    /// Writes the outputs of a tile from `row` on, of which those below `rows` exist.
    static void store(FloatVector sum, long out, int row, int rows) {
        if (row + STEP <= rows) {
            sum.intoMemorySegment(SEGMENT, out + 4L * row, ORDER);
        } else {
            sum.intoMemorySegment(SEGMENT, out + 4L * row, ORDER, SPECIES.indexInRange(row, rows));
        }
    }
}
