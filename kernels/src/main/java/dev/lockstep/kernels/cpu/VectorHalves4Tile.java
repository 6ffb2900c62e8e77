// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorInt8.SCALE;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Codes of 4 bits with a scale for each half of 16 columns: codes as in [VectorQ4Tile]; then
/// `[block][own scales, d, e][16 rows]`: a short for each half with signed s in its low and
/// unsigned m in its high byte; d as f32; e as f32 for formats with a minimum.
///
/// @param offset subtracted from every code
record VectorHalves4Tile(int offset, boolean hasMinimum) implements VectorTile {
    static final VectorHalves4Tile Q2_K = new VectorHalves4Tile(0, true);
    static final VectorHalves4Tile Q3_K = new VectorHalves4Tile(4, false);

    private static final int STEPS = 4;
    private static final int CHUNK = 16;
    private static final long STEP_BYTES = 64;

    long scalesBytes() {
        return (hasMinimum ? 3 : 2) * STEP_BYTES;
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        int[] totals = new int[CHUNK * STEP];
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * VectorQ4Tile.BLOCK_BYTES;
            float[] sums = new float[STEP];
            for (int block = 0; block < blocks; block += CHUNK) {
                int count = Math.min(CHUNK, blocks - block);
                long record = x + block * RECORD_BYTES;
                long own = scales + block * scalesBytes();
                totals(weights + block * VectorQ4Tile.BLOCK_BYTES, own, record, count, totals);
                if (hasMinimum) {
                    addWithMinimum(totals, own, record, count, sums);
                } else {
                    add(totals, own, record, count, sums);
                }
            }
            store(sums, out, row, rows);
        }
    }

    // One method for all of this would exceed what C2 inlines (NodeCountInliningCutoff); values
    // pass from one to the next in arrays.

    private void totals(long weights, long scales, long record, int count, int[] totals) {
        for (int block = 0; block < count; block++) {
            ShortVector dot = VectorInt8.sums(record).mul((short) -offset);
            for (int step = 0; step < STEPS; step++) {
                dot = VectorQ4Tile.add(dot, weights + step * STEP_BYTES, record, 4 * step);
            }
            IntVector halves = dot.reinterpretAsInts();
            total(own(scales), firstHalf(halves), secondHalf(halves))
                    .intoArray(totals, block * STEP);
            weights += VectorQ4Tile.BLOCK_BYTES;
            scales += scalesBytes();
            record += RECORD_BYTES;
        }
    }

    private static void add(int[] totals, long scales, long record, int count, float[] sums) {
        FloatVector sum = FloatVector.fromArray(SPECIES, sums, 0);
        for (int block = 0; block < count; block++) {
            IntVector total = IntVector.fromArray(INTS, totals, block * STEP);
            sum = VectorQ8Tile.scaled(floats(scales + STEP_BYTES), record, total, sum);
            scales += 2 * STEP_BYTES;
            record += RECORD_BYTES;
        }
        sum.intoArray(sums, 0);
    }

    private static void addWithMinimum(
            int[] totals, long scales, long record, int count, float[] sums) {
        FloatVector sum = FloatVector.fromArray(SPECIES, sums, 0);
        for (int block = 0; block < count; block++) {
            IntVector total = IntVector.fromArray(INTS, totals, block * STEP);
            sum = VectorQ8Tile.scaled(floats(scales + STEP_BYTES), record, total, sum);
            sum = addMinimum(own(scales), floats(scales + 2 * STEP_BYTES), record, sum);
            scales += 3 * STEP_BYTES;
            record += RECORD_BYTES;
        }
        sum.intoArray(sums, 0);
    }

    private static void store(float[] sums, long out, int row, int rows) {
        VectorF32Tile.store(FloatVector.fromArray(SPECIES, sums, 0), out, row, rows);
    }

    // Small enough that C2 always inlines them; a vector that crosses a real call is boxed.

    static ShortVector own(long scales) {
        return IntVector.fromMemorySegment(INTS, SEGMENT, scales, ORDER).reinterpretAsShorts();
    }

    static IntVector firstHalf(IntVector halves) {
        return halves.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16);
    }

    static IntVector secondHalf(IntVector halves) {
        return halves.lanewise(VectorOperators.ASHR, 16);
    }

    /// Returns the sum of both halves times their own scales.
    static IntVector total(ShortVector own, IntVector first, IntVector second) {
        IntVector both = own.reinterpretAsInts();
        return first.mul(both.lanewise(VectorOperators.LSHL, 24).lanewise(VectorOperators.ASHR, 24))
                .add(
                        second.mul(
                                both.lanewise(VectorOperators.LSHL, 8)
                                        .lanewise(VectorOperators.ASHR, 24)));
    }

    // 15 times the sum of 16 activations fits 16 bits.
    private static FloatVector addMinimum(
            ShortVector own, FloatVector factor, long record, FloatVector sum) {
        ShortVector products = own.lanewise(VectorOperators.LSHR, 8).mul(VectorInt8.sums(record));
        IntVector minimum = VectorQ8Tile.widened(products.reinterpretAsInts());
        return factor.mul(-SEGMENT.get(FLOAT, record + SCALE))
                .fma(minimum.convertShape(VectorOperators.I2F, SPECIES, 0), sum);
    }

    private static FloatVector floats(long address) {
        return FloatVector.fromMemorySegment(SPECIES, SEGMENT, address, ORDER);
    }
}
