// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// FP8 weights, tile `[block of 32 columns]`: `[16 rows]` f32 scales, then `[8][16 rows]` ints of
/// four columns each. A weight is rounded to bf16 as in `matmul_e4m3.cpp`; activations are f32, or
/// already rounded to bf16.
final class VectorE4m3Tile implements VectorTile {
    private static final int BLOCK = VectorInt8.BLOCK;
    private static final long STEP_BYTES = 64;
    private static final long BLOCK_BYTES = STEP_BYTES + BLOCK / 4 * STEP_BYTES;

    @Override
    public long tileBytes(int columns) {
        return columns / BLOCK * BLOCK_BYTES;
    }

    /// A NaN is no code of the tile: its scale becomes one, since the row's sum is NaN anyway.
    @Override
    public void pack(WeightSource source, long row, long out) {
        int size = TensorType.E4M3.blockSize();
        for (int from = 0; from < source.columns(); from += BLOCK) {
            int column = source.skipped() + from;
            long stored = row + (long) (column / size) * TensorType.E4M3.blockBytes();
            float scale = SEGMENT.get(FLOAT, stored);
            long codes = stored + Float.BYTES + column % size;
            boolean nan = Float.isNaN(scale);
            for (int i = 0; i < BLOCK; i += 4) {
                int four = SEGMENT.get(INT, codes + i);
                nan |= Float8.anyNaN(four);
                SEGMENT.set(INT, out + STEP_BYTES + 16L * i, four);
            }
            SEGMENT.set(FLOAT, out, nan ? Float.NaN : scale);
            out += BLOCK_BYTES;
        }
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        for (int row = 0; row < rows; row += STEP) {
            long block = tile + 4L * row;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int column = 0; column < columns; column += BLOCK) {
                FloatVector scale = FloatVector.fromMemorySegment(SPECIES, SEGMENT, block, ORDER);
                long codes = block + STEP_BYTES;
                for (int i = 0; i < BLOCK; i += 4) {
                    long at = x + 4L * (column + i);
                    IntVector four = IntVector.fromMemorySegment(INTS, SEGMENT, codes, ORDER);
                    sum = add(four.lanewise(VectorOperators.LSHL, 24), scale, at, sum);
                    sum = add(four.lanewise(VectorOperators.LSHL, 16), scale, at + 4, sum);
                    sum = add(four.lanewise(VectorOperators.LSHL, 8), scale, at + 8, sum);
                    sum = add(four, scale, at + 12, sum);
                    codes += STEP_BYTES;
                }
                block += BLOCK_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }

    // Small enough that C2 always inlines it; a vector that crosses a real call is boxed.

    /// Adds the products of the codes in the highest bytes.
    private static FloatVector add(IntVector codes, FloatVector scale, long at, FloatVector sum) {
        FloatVector weight =
                codes.lanewise(VectorOperators.ASHR, 4)
                        .and(Float8.MASK)
                        .reinterpretAsFloats()
                        .mul(Float8.CORRECTION)
                        .mul(scale);
        return VectorShortFloats.addRounded(weight, at, sum);
    }
}
