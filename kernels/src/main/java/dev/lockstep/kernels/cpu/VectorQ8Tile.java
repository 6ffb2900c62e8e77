// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorInt8.SCALE;
import static dev.lockstep.kernels.cpu.VectorInt8.pair;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Q8_0 weights, tile `[block][8][16 rows][4]` of q: step s holds columns 2s, 2s+1, 2s+16, 2s+17 of
/// its block; then `[block][16 rows]` of f32 scales.
///
/// Two products of |128 · 127| still fit 16 bits, so a step adds two and then widens.
final class VectorQ8Tile implements VectorTile {
    private static final int STEPS = 8;
    private static final long STEP_BYTES = 64;
    static final long BLOCK_BYTES = STEPS * STEP_BYTES;

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * BLOCK_BYTES;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                IntVector dot = IntVector.zero(INTS);
                for (int step = 0; step < STEPS; step++) {
                    dot = add(dot, weights + step * STEP_BYTES, record, step);
                }
                FloatVector scale = FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales, ORDER);
                sum = scaled(scale, record, dot, sum);
                weights += BLOCK_BYTES;
                scales += STEP_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }

    // Small enough that C2 always inlines them; a vector that crosses a real call is boxed.

    private static ShortVector load(long address) {
        return IntVector.fromMemorySegment(INTS, SEGMENT, address, ORDER).reinterpretAsShorts();
    }

    static IntVector add(IntVector dot, long weights, long record, int step) {
        return dot.add(widened(products(weights, record, step)));
    }

    /// Returns sums of two products: the first half's columns in the low and the second half's in
    /// the high 16 bits.
    static IntVector products(long weights, long record, int step) {
        ShortVector four = load(weights);
        ShortVector odd = four.lanewise(VectorOperators.ASHR, 8);
        ShortVector even = four.lanewise(VectorOperators.LSHL, 8).lanewise(VectorOperators.ASHR, 8);
        return even.mul(pair(record, 2 * step))
                .add(odd.mul(pair(record, 2 * step + 1)))
                .reinterpretAsInts();
    }

    /// Returns the sum of both signed halves of each int.
    static IntVector widened(IntVector halves) {
        return halves.lanewise(VectorOperators.LSHL, 16)
                .lanewise(VectorOperators.ASHR, 16)
                .add(halves.lanewise(VectorOperators.ASHR, 16));
    }

    static FloatVector scaled(FloatVector scale, long record, IntVector dot, FloatVector sum) {
        return scale.mul(SEGMENT.get(FLOAT, record + SCALE))
                .fma(dot.convertShape(VectorOperators.I2F, SPECIES, 0), sum);
    }
}
