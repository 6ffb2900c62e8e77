// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// NVFP4 weights, tile `[block of 32 columns]`: `[2][16 rows]` f32 scales of 16 columns, then
/// `[4][16 rows]` ints of eight columns each, the first in the lowest bits. A weight is rounded to
/// bf16 as in `matmul_nvfp4.cpp`; activations are f32, or already rounded to bf16.
final class VectorNvfp4Tile implements VectorTile {
    private static final int BLOCK = VectorInt8.BLOCK;
    private static final int COLUMNS_OF_SCALE = 16;
    private static final long STEP_BYTES = 64;
    private static final long BLOCK_BYTES = 2 * STEP_BYTES + BLOCK / 8 * STEP_BYTES;

    @Override
    public long tileBytes(int columns) {
        return columns / BLOCK * BLOCK_BYTES;
    }

    @Override
    public void pack(WeightSource source, long row, long out) {
        for (int from = 0; from < source.columns(); from += BLOCK) {
            int column = source.skipped() + from;
            for (int half = 0; half < 2; half++) {
                SEGMENT.set(FLOAT, out + STEP_BYTES * half, Nvfp4.scale(row, column + 16 * half));
            }
            for (int i = 0; i < BLOCK; i += 8) {
                SEGMENT.set(
                        INT,
                        out + 2 * STEP_BYTES + 8L * i,
                        SEGMENT.get(INT, Nvfp4.codes(row, column + i)));
            }
            out += BLOCK_BYTES;
        }
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        for (int row = 0; row < rows; row += STEP) {
            long scales = tile + 4L * row;
            FloatVector sum = FloatVector.zero(SPECIES);
            long at = x;
            for (int column = 0; column < columns; column += BLOCK) {
                long codes = scales + 2 * STEP_BYTES;
                for (int i = 0; i < BLOCK; i += 8) {
                    FloatVector scale =
                            FloatVector.fromMemorySegment(
                                    SPECIES,
                                    SEGMENT,
                                    scales + i / COLUMNS_OF_SCALE * STEP_BYTES,
                                    ORDER);
                    IntVector eight = IntVector.fromMemorySegment(INTS, SEGMENT, codes, ORDER);
                    for (int shift = 28; shift >= 0; shift -= 4) {
                        sum = add(eight.lanewise(VectorOperators.LSHL, shift), scale, at, sum);
                        at += Float.BYTES;
                    }
                    codes += STEP_BYTES;
                }
                scales += BLOCK_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }

    // Small enough that C2 always inlines it; a vector that crosses a real call is boxed.

    /// Adds the products of the codes in the highest bits.
    private static FloatVector add(IntVector codes, FloatVector scale, long at, FloatVector sum) {
        FloatVector weight =
                codes.lanewise(VectorOperators.ASHR, 6)
                        .and(Nvfp4.MASK)
                        .reinterpretAsFloats()
                        .mul(Nvfp4.CORRECTION)
                        .mul(scale);
        return VectorShortFloats.addRounded(weight, at, sum);
    }
}
