// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;

/// Codes of 8 bits with a scale for each half of 16 columns: codes as in [VectorQ8Tile]; then
/// `[block][own scales, d][16 rows]` as in [VectorHalves4Tile].
final class VectorHalves8Tile implements VectorTile {
    private static final int STEPS = 8;
    private static final long STEP_BYTES = 64;
    static final long SCALES_BYTES = 2 * STEP_BYTES;

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * VectorQ8Tile.BLOCK_BYTES;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                IntVector first = IntVector.zero(INTS);
                IntVector second = first;
                for (int step = 0; step < STEPS; step++) {
                    IntVector products =
                            VectorQ8Tile.products(weights + step * STEP_BYTES, record, step);
                    first = first.add(VectorHalves4Tile.firstHalf(products));
                    second = second.add(VectorHalves4Tile.secondHalf(products));
                }
                ShortVector own = VectorHalves4Tile.own(scales);
                IntVector total = VectorHalves4Tile.total(own, first, second);
                FloatVector scale =
                        FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales + STEP_BYTES, ORDER);
                sum = VectorQ8Tile.scaled(scale, record, total, sum);
                weights += VectorQ8Tile.BLOCK_BYTES;
                scales += SCALES_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }
}
