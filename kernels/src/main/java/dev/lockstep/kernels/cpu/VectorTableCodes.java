// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static jdk.incubator.vector.VectorOperators.LSHR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/// Codes of 4 bits that number the values of a table; they lie as in [VectorCodes4].
final class VectorTableCodes implements VectorCodes {
    private static final int COLUMNS_OF_STEP = 4;
    private static final int CODE = 15;

    private final IntVector[] table;

    VectorTableCodes(int[] values) {
        float[] floats = new float[values.length];
        for (int code = 0; code < values.length; code++) {
            floats[code] = values[code];
        }
        table = VectorTable.of(floats);
    }

    @Override
    public int bits() {
        return 4;
    }

    @Override
    public boolean multipliesPairs() {
        return false;
    }

    @Override
    public int pairsOfSum() {
        return 0;
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
            FloatVector second = first;
            for (int i = 0; i < 4; i++) {
                IntVector low = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                IntVector high = low.lanewise(LSHR, 16);
                for (int k = 0; k < COLUMNS_OF_STEP; k++) {
                    first =
                            VectorTable.values(table, low.and(CODE))
                                    .reinterpretAsFloats()
                                    .fma(FloatVector.broadcast(SPECIES, values[x + k]), first);
                    second =
                            VectorTable.values(table, high.and(CODE))
                                    .reinterpretAsFloats()
                                    .fma(
                                            FloatVector.broadcast(SPECIES, values[x + k + HALF]),
                                            second);
                    low = low.lanewise(LSHR, 4);
                    high = high.lanewise(LSHR, 4);
                }
                at += step;
                x += COLUMNS_OF_STEP;
            }
            first.intoArray(products, 2 * STEP * block);
            second.intoArray(products, 2 * STEP * block + STEP);
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
        for (int block = 0; block < blocks; block++) {
            long at = codes + block * stride;
            int to = VectorPanel.place(block, 0, vector);
            for (int i = 0; i < 4; i++) {
                IntVector low = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
                IntVector high = low.lanewise(LSHR, 16);
                for (int k = 0; k < COLUMNS_OF_STEP; k++) {
                    VectorTable.values(table, low.and(CODE))
                            .reinterpretAsFloats()
                            .intoArray(panel.codes, to);
                    VectorTable.values(table, high.and(CODE))
                            .reinterpretAsFloats()
                            .intoArray(panel.codes, to + HALF * VectorPanel.COLUMN);
                    low = low.lanewise(LSHR, 4);
                    high = high.lanewise(LSHR, 4);
                    to += VectorPanel.COLUMN;
                }
                at += step;
            }
        }
    }
}
