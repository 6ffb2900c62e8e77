// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/// Codes of 8 bits: int i of a block has columns 2i and 2i + 1 of each half.
final class VectorCodes8 implements VectorCodes {
    private final int pairsOfSum;

    /// @param pairsOfSum as [VectorCodes#pairsOfSum]
    VectorCodes8(int pairsOfSum) {
        this.pairsOfSum = pairsOfSum;
    }

    @Override
    public int bits() {
        return 8;
    }

    @Override
    public boolean multipliesPairs() {
        return false;
    }

    @Override
    public float unit(int column) {
        return column % 2 == 0 ? 1 : 256;
    }

    @Override
    public int pairsOfSum() {
        return pairsOfSum;
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
        float[] values = inputs.values;
        for (int block = 0; block < blocks; block++) {
            long at = from + block * stride;
            for (int i = 0; i < scaleVectors; i++) {
                IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER)
                        .intoArray(scales, (block * scaleVectors + i) * STEP);
                at += step;
            }
            int x = BLOCK * (input + block);
            FloatVector first = FloatVector.zero(SPECIES);
            FloatVector first1 = first;
            FloatVector second = first;
            FloatVector second1 = first;
            for (int i = 0; i < 8; i++) {
                IntVector low = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                IntVector high = low.lanewise(LSHR, 16);
                first =
                        FloatVector.broadcast(SPECIES, values[x])
                                .fma(low.and(0xFF).convertShape(I2F, SPECIES, 0), first);
                second =
                        FloatVector.broadcast(SPECIES, values[x + 16])
                                .fma(high.and(0xFF).convertShape(I2F, SPECIES, 0), second);
                first1 =
                        FloatVector.broadcast(SPECIES, values[x + 1])
                                .fma(low.and(0xFF00).convertShape(I2F, SPECIES, 0), first1);
                second1 =
                        FloatVector.broadcast(SPECIES, values[x + 17])
                                .fma(high.and(0xFF00).convertShape(I2F, SPECIES, 0), second1);
                at += step;
                x += 2;
            }
            first.add(first1).intoArray(products, 2 * STEP * block);
            second.add(second1).intoArray(products, 2 * STEP * block + STEP);
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
        if (pairsOfSum > 0) {
            decodePairs(codes, stride, step, blocks, subtracted, panel.pairs, vector);
        } else {
            decodeFloats(codes, stride, step, blocks, subtracted, panel.codes, vector);
        }
    }

    private static void decodePairs(
            long codes,
            long stride,
            long step,
            int blocks,
            int subtracted,
            int[] panel,
            int vector) {
        short offset = (short) subtracted;
        for (int block = 0; block < blocks; block++) {
            long at = codes + block * stride;
            int to = VectorPanel.pair(block, 0, vector);
            for (int i = 0; i < 8; i++) {
                IntVector both = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                both.and(0x00FF_00FF)
                        .reinterpretAsShorts()
                        .sub(offset)
                        .reinterpretAsInts()
                        .intoArray(panel, to);
                both.lanewise(LSHR, 8)
                        .and(0x00FF_00FF)
                        .reinterpretAsShorts()
                        .sub(offset)
                        .reinterpretAsInts()
                        .intoArray(panel, to + VectorPanel.COLUMN);
                at += step;
                to += 2 * VectorPanel.COLUMN;
            }
        }
    }

    private static void decodeFloats(
            long codes,
            long stride,
            long step,
            int blocks,
            int subtracted,
            float[] panel,
            int vector) {

        for (int block = 0; block < blocks; block++) {
            long at = codes + block * stride;
            int to = VectorPanel.place(block, 0, vector);
            for (int i = 0; i < 8; i++) {
                IntVector both = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                IntVector high = both.lanewise(LSHR, 16);
                ((FloatVector) both.and(0xFF).sub(subtracted).convertShape(I2F, SPECIES, 0))
                        .intoArray(panel, to);
                ((FloatVector) high.and(0xFF).sub(subtracted).convertShape(I2F, SPECIES, 0))
                        .intoArray(panel, to + 16 * VectorPanel.COLUMN);
                ((FloatVector) both.and(0xFF00).sub(subtracted << 8).convertShape(I2F, SPECIES, 0))
                        .intoArray(panel, to + VectorPanel.COLUMN);
                ((FloatVector) high.and(0xFF00).sub(subtracted << 8).convertShape(I2F, SPECIES, 0))
                        .intoArray(panel, to + 17 * VectorPanel.COLUMN);
                at += step;
                to += 2 * VectorPanel.COLUMN;
            }
        }
    }
}
