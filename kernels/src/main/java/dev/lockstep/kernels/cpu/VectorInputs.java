// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/// Some blocks of quantized activations of some tokens as floats, `[token][block]`. One for each
/// thread.
///
/// In arrays of the heap C2 checks an index once before a loop.
final class VectorInputs {
    /// Blocks of all tokens together.
    static final int CAPACITY = 512;

    /// `[token][block][32]` q, divided by the units of the codes that they multiply.
    final float[] values = new float[CAPACITY * VectorCodes.BLOCK];

    final float[] scales = new float[CAPACITY];

    /// Scale · Σ q.
    final float[] scaledSums = new float[CAPACITY];

    /// `[token][block][16]` q of column c in the low and of column c + 16 in the high half.
    final int[] pairs = new int[CAPACITY * VectorCodes.HALF];

    /// Σ q of each half of 16 columns.
    final float[] firstSums = new float[CAPACITY];

    final float[] secondSums = new float[CAPACITY];

    /// What the offset of codes adds to the products of each half.
    final float[] firstOffsets = new float[CAPACITY];

    final float[] secondOffsets = new float[CAPACITY];

    /// Reads some blocks of the rows that [VectorInt8] wrote: as pairs, or as floats.
    ///
    /// @param from address of the first block of the first token
    /// @param stride bytes from token to token
    /// @param offset of the codes that are multiplied
    /// @param perUnit 1 / unit of each column of a half
    void read(
            long from,
            long stride,
            int tokens,
            int blocks,
            int offset,
            boolean asPairs,
            float[] perUnit) {
        for (int token = 0; token < tokens; token++) {
            for (int block = 0; block < blocks; block++) {
                long record = from + token * stride + block * VectorInt8.RECORD_BYTES;
                int index = token * blocks + block;
                if (asPairs) {
                    readPairs(record, index * VectorCodes.HALF);
                } else {
                    readFloats(record, index * VectorCodes.BLOCK, perUnit);
                }
                readScales(record, index, offset);
            }
        }
    }

    private void readPairs(long record, int to) {
        for (int i = 0; i < VectorCodes.HALF; i += STEP) {
            IntVector.fromMemorySegment(INTS, SEGMENT, record + 4L * i, ORDER)
                    .intoArray(pairs, to + i);
        }
    }

    private void readFloats(long record, int to, float[] perUnit) {
        for (int i = 0; i < VectorCodes.HALF; i += STEP) {
            IntVector both = IntVector.fromMemorySegment(INTS, SEGMENT, record + 4L * i, ORDER);
            FloatVector factor = FloatVector.fromArray(SPECIES, perUnit, i);
            factor.mul(both.lanewise(LSHL, 16).lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0))
                    .intoArray(values, to + i);
            factor.mul(both.lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0))
                    .intoArray(values, to + i + VectorCodes.HALF);
        }
    }

    private void readScales(long record, int index, int offset) {
        scales[index] = SEGMENT.get(FLOAT, record + VectorInt8.SCALE);
        scaledSums[index] = SEGMENT.get(FLOAT, record + VectorInt8.SCALED_SUM);
        int sums = SEGMENT.get(INT, record + VectorInt8.SUMS);
        firstSums[index] = (short) sums;
        secondSums[index] = sums >> 16;
        firstOffsets[index] = offset * (short) sums;
        secondOffsets[index] = offset * (sums >> 16);
    }
}
