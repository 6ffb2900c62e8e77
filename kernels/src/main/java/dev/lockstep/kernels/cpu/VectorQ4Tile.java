// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorInt8.SCALED_SUM;
import static dev.lockstep.kernels.cpu.VectorInt8.pair;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORTS;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Q4_1 weights, tile `[block][4][16 rows]` of ints: step s holds nibbles of columns 4s … 4s+3 in
/// the low half and of columns 4s+16 … 4s+19 in the high half; then `[block][scale, minimum][16
/// rows]` of f32.
///
/// Sixteen products of 15 · 127 fit 16 bits, so a whole block is added before it is widened.
final class VectorQ4Tile implements VectorTile {
    private static final int STEPS = 4;
    private static final short NIBBLE = 15;
    private static final long STEP_BYTES = 64;
    static final long BLOCK_BYTES = STEPS * STEP_BYTES;
    static final long SCALES_BYTES = 2 * STEP_BYTES;

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * BLOCK_BYTES;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                ShortVector dot = ShortVector.zero(SHORTS);
                for (int step = 0; step < STEPS; step++) {
                    dot = add(dot, weights + step * STEP_BYTES, record, 4 * step);
                }
                FloatVector scale = FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales, ORDER);
                FloatVector minimum =
                        FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales + STEP_BYTES, ORDER);
                sum = scaled(scale, minimum, record, dot, sum);
                weights += BLOCK_BYTES;
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

    // Small enough that C2 always inlines them; a vector that crosses a real call is boxed.

    private static ShortVector load(long address) {
        return IntVector.fromMemorySegment(INTS, SEGMENT, address, ORDER).reinterpretAsShorts();
    }

    static ShortVector add(ShortVector dot, long weights, long record, int i) {
        ShortVector four = load(weights);
        return dot.add(four.and(NIBBLE).mul(pair(record, i)))
                .add(nibble(four, 4).mul(pair(record, i + 1)))
                .add(nibble(four, 8).mul(pair(record, i + 2)))
                .add(four.lanewise(VectorOperators.LSHR, 12).mul(pair(record, i + 3)));
    }

    private static ShortVector nibble(ShortVector four, int bit) {
        return four.lanewise(VectorOperators.LSHR, bit).and(NIBBLE);
    }

    private static FloatVector scaled(
            FloatVector scale, FloatVector minimum, long record, ShortVector dot, FloatVector sum) {
        IntVector product = VectorQ8Tile.widened(dot.reinterpretAsInts());
        return minimum.fma(
                FloatVector.broadcast(SPECIES, SEGMENT.get(FLOAT, record + SCALED_SUM)),
                VectorQ8Tile.scaled(scale, record, product, sum));
    }
}
