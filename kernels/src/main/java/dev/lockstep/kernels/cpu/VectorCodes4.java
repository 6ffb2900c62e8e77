// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORTS;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;

/// Codes of 4 bits: int i of a block has columns 4i … 4i + 3 of each half.
final class VectorCodes4 implements VectorCodes {
    /// A code of each half.
    private static final int CODES = 0x000F_000F;

    @Override
    public int bits() {
        return 4;
    }

    @Override
    public boolean multipliesPairs() {
        return true;
    }

    @Override
    public int pairsOfSum() {
        return HALF;
    }

    @Override
    public void multiply(
            long from,
            long stride,
            long step,
            int blocks,
            int scaleVectors,
            VectorInputs inputs,
            int input,
            float[] products,
            int[] scales) {
        int[] pairs = inputs.pairs;
        for (int block = 0; block < blocks; block++) {
            long at = from + block * stride;
            for (int i = 0; i < scaleVectors; i++) {
                IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER)
                        .intoArray(scales, (block * scaleVectors + i) * STEP);
                at += step;
            }
            int x = HALF * (input + block);
            ShortVector even = ShortVector.zero(SHORTS);
            ShortVector odd = even;
            for (int i = 0; i < 4; i++) {
                IntVector both = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                even =
                        even.add(
                                both.and(CODES)
                                        .reinterpretAsShorts()
                                        .mul(
                                                IntVector.broadcast(INTS, pairs[x])
                                                        .reinterpretAsShorts()));
                odd =
                        odd.add(
                                both.lanewise(LSHR, 4)
                                        .and(CODES)
                                        .reinterpretAsShorts()
                                        .mul(
                                                IntVector.broadcast(INTS, pairs[x + 1])
                                                        .reinterpretAsShorts()));
                even =
                        even.add(
                                both.lanewise(LSHR, 8)
                                        .and(CODES)
                                        .reinterpretAsShorts()
                                        .mul(
                                                IntVector.broadcast(INTS, pairs[x + 2])
                                                        .reinterpretAsShorts()));
                odd =
                        odd.add(
                                both.lanewise(LSHR, 12)
                                        .and(CODES)
                                        .reinterpretAsShorts()
                                        .mul(
                                                IntVector.broadcast(INTS, pairs[x + 3])
                                                        .reinterpretAsShorts()));
                at += step;
                x += 4;
            }
            IntVector sums = even.add(odd).reinterpretAsInts();
            ((FloatVector) sums.lanewise(LSHL, 16).lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0))
                    .intoArray(products, 2 * STEP * block);
            ((FloatVector) sums.lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0))
                    .intoArray(products, 2 * STEP * block + STEP);
        }
    }

    @Override
    public void decode(
            long codes,
            long stride,
            long step,
            int blocks,
            int subtracted,
            VectorPanel panel,
            int vector) {
        short offset = (short) subtracted;
        for (int block = 0; block < blocks; block++) {
            long at = codes + block * stride;
            int to = VectorPanel.pair(block, 0, vector);
            for (int i = 0; i < 4; i++) {
                IntVector both = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                both.and(CODES)
                        .reinterpretAsShorts()
                        .sub(offset)
                        .reinterpretAsInts()
                        .intoArray(panel.pairs, to);
                both.lanewise(LSHR, 4)
                        .and(CODES)
                        .reinterpretAsShorts()
                        .sub(offset)
                        .reinterpretAsInts()
                        .intoArray(panel.pairs, to + VectorPanel.COLUMN);
                both.lanewise(LSHR, 8)
                        .and(CODES)
                        .reinterpretAsShorts()
                        .sub(offset)
                        .reinterpretAsInts()
                        .intoArray(panel.pairs, to + 2 * VectorPanel.COLUMN);
                both.lanewise(LSHR, 12)
                        .and(CODES)
                        .reinterpretAsShorts()
                        .sub(offset)
                        .reinterpretAsInts()
                        .intoArray(panel.pairs, to + 3 * VectorPanel.COLUMN);
                at += step;
                to += 4 * VectorPanel.COLUMN;
            }
        }
    }
}
