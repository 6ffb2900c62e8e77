// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorInt8.SCALED_SUM;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/// Codes of 8 bits with a scale and a minimum per 32 columns: codes minus an offset as in
/// [VectorQ8Tile]; then `[block][scale, minimum][16 rows]` of f32.
final class VectorQ8MinimumTile implements VectorTile {
    private static final int STEPS = 8;
    private static final long STEP_BYTES = 64;
    static final long SCALES_BYTES = 2 * STEP_BYTES;

    /// The offset of unsigned codes, which are stored as signed bytes.
    static final int UNSIGNED = 128;

    private final int offset;

    VectorQ8MinimumTile(int offset) {
        this.offset = offset;
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * VectorQ8Tile.BLOCK_BYTES;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                int activations = VectorInt8.sum(record);
                IntVector dot = IntVector.broadcast(INTS, offset * activations);
                for (int step = 0; step < STEPS; step++) {
                    dot = VectorQ8Tile.add(dot, weights + step * STEP_BYTES, record, step);
                }
                FloatVector scale = FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales, ORDER);
                FloatVector minimum =
                        FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales + STEP_BYTES, ORDER);
                float scaledSum = SEGMENT.get(FLOAT, record + SCALED_SUM);
                sum =
                        minimum.fma(
                                FloatVector.broadcast(SPECIES, scaledSum),
                                VectorQ8Tile.scaled(scale, record, dot, sum));
                weights += VectorQ8Tile.BLOCK_BYTES;
                scales += SCALES_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }
}
