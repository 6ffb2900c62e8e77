// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.checkpoint.CodeValues;
import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// NF4 and FP4 weights, tile `[block of 32 columns]`: `[16 rows]` f32 scales, then `[4][16 rows]`
/// ints of eight columns each, the first in the lowest bits. A weight is rounded to bf16 as in
/// `matmul_nf4.cpp`; activations are f32, or already rounded to bf16.
final class VectorNf4Tile implements VectorTile {
    private static final int BLOCK = VectorInt8.BLOCK;
    private static final long STEP_BYTES = 64;
    private static final long BLOCK_BYTES = STEP_BYTES + BLOCK / 8 * STEP_BYTES;

    static final VectorNf4Tile NF4 = new VectorNf4Tile(CodeValues.normal4());
    static final VectorNf4Tile FP4 = new VectorNf4Tile(CodeValues.float4());

    /// The bits of the values of the codes, as many in a vector as it has lanes.
    private final IntVector[] table;

    private VectorNf4Tile(float[] values) {
        table = VectorTable.of(values);
    }

    @Override
    public long tileBytes(int columns) {
        return columns / BLOCK * BLOCK_BYTES;
    }

    @Override
    public void pack(WeightSource source, long row, long out) {
        for (int from = 0; from < source.columns(); from += BLOCK) {
            int column = source.skipped() + from;
            SEGMENT.set(FLOAT, out, Nf4.scale(row, column));
            for (int i = 0; i < BLOCK; i += 8) {
                SEGMENT.set(
                        INT,
                        out + STEP_BYTES + 8L * i,
                        SEGMENT.get(INT, Nf4.codes(row, column + i)));
            }
            out += BLOCK_BYTES;
        }
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        for (int row = 0; row < rows; row += STEP) {
            long block = tile + 4L * row;
            FloatVector sum = FloatVector.zero(SPECIES);
            long at = x;
            for (int column = 0; column < columns; column += BLOCK) {
                FloatVector scale = FloatVector.fromMemorySegment(SPECIES, SEGMENT, block, ORDER);
                for (int i = 0; i < BLOCK; i += 8) {
                    IntVector eight =
                            IntVector.fromMemorySegment(
                                    INTS, SEGMENT, block + STEP_BYTES + i / 8 * STEP_BYTES, ORDER);
                    for (int shift = 0; shift < 32; shift += 4) {
                        IntVector codes = eight.lanewise(VectorOperators.LSHR, shift).and(15);
                        FloatVector weight =
                                VectorTable.values(table, codes).reinterpretAsFloats().mul(scale);
                        sum = VectorShortFloats.addRounded(weight, at, sum);
                        at += Float.BYTES;
                    }
                }
                block += BLOCK_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }
}
