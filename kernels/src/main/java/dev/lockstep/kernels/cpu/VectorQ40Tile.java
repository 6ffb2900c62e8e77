// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;

/// Q4_0 weights: codes as in [VectorQ4Tile]; then `[block][16 rows]` of f32 scales.
final class VectorQ40Tile implements VectorTile {
    static final int OFFSET = 8;
    private static final int STEPS = 4;
    private static final long STEP_BYTES = 64;
    static final long SCALES_BYTES = STEP_BYTES;

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * VectorQ4Tile.BLOCK_BYTES;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                ShortVector dot = VectorInt8.sums(record).mul((short) -OFFSET);
                for (int step = 0; step < STEPS; step++) {
                    dot = VectorQ4Tile.add(dot, weights + step * STEP_BYTES, record, 4 * step);
                }
                IntVector product = VectorQ8Tile.widened(dot.reinterpretAsInts());
                FloatVector scale = FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales, ORDER);
                sum = VectorQ8Tile.scaled(scale, record, product, sum);
                weights += VectorQ4Tile.BLOCK_BYTES;
                scales += SCALES_BYTES;
            }
            // VectorF32Tile.store by hand: C2 no longer inlines the call here.
            if (row + STEP <= rows) {
                sum.intoMemorySegment(SEGMENT, out + 4L * row, ORDER);
            } else {
                VectorMask<Float> mask = SPECIES.indexInRange(row, rows);
                sum.intoMemorySegment(SEGMENT, out + 4L * row, ORDER, mask);
            }
        }
    }
}
