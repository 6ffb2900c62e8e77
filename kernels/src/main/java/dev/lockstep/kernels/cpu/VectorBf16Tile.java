// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// bf16 weights, tile `[column / 2][16 rows][2]`, as in `matmul_bf16.cpp` without the instruction:
/// activations are f32 already rounded to bf16.
final class VectorBf16Tile implements VectorTile {
    private static final long PAIR_BYTES = 64;
    private static final int ODD = 0xFFFF0000;

    @Override
    public long tileBytes(int columns) {
        return PAIR_BYTES * ((columns + 1) / 2);
    }

    @Override
    public void pack(WeightSource source, long row, long out) {
        for (int column = 0; column < source.columns(); column++) {
            SEGMENT.set(
                    SHORT,
                    out + 64L * (column / 2) + 2L * (column % 2),
                    VectorLanes.floatToBfloat16(VectorPack.element(source.type(), row, column)));
        }
    }

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int pairs = (columns + 1) / 2;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int pair = 0; pair < pairs; pair++) {
                long at = x + 8L * pair;
                IntVector both =
                        IntVector.fromMemorySegment(
                                INTS, SEGMENT, weights + pair * PAIR_BYTES, ORDER);
                FloatVector even = both.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
                FloatVector odd = both.and(ODD).reinterpretAsFloats();
                sum = even.fma(broadcast(at), sum);
                sum = odd.fma(broadcast(at + 4), sum);
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }

    @Override
    public void four(
            long x, long xStride, int columns, long tile, long out, long outStride, int rows) {
        int pairs = (columns + 1) / 2;
        for (int row = 0; row < rows; row += STEP) {
            long weights = tile + 4L * row;
            FloatVector sum0 = FloatVector.zero(SPECIES);
            FloatVector sum1 = sum0;
            FloatVector sum2 = sum0;
            FloatVector sum3 = sum0;
            for (int pair = 0; pair < pairs; pair++) {
                long at = x + 8L * pair;
                IntVector both =
                        IntVector.fromMemorySegment(
                                INTS, SEGMENT, weights + pair * PAIR_BYTES, ORDER);
                FloatVector even = both.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
                FloatVector odd = both.and(ODD).reinterpretAsFloats();
                sum0 = odd.fma(broadcast(at + 4), even.fma(broadcast(at), sum0));
                at += xStride;
                sum1 = odd.fma(broadcast(at + 4), even.fma(broadcast(at), sum1));
                at += xStride;
                sum2 = odd.fma(broadcast(at + 4), even.fma(broadcast(at), sum2));
                at += xStride;
                sum3 = odd.fma(broadcast(at + 4), even.fma(broadcast(at), sum3));
            }
            VectorF32Tile.store(sum0, out, row, rows);
            VectorF32Tile.store(sum1, out + outStride, row, rows);
            VectorF32Tile.store(sum2, out + 2 * outStride, row, rows);
            VectorF32Tile.store(sum3, out + 3 * outStride, row, rows);
        }
    }

    private static FloatVector broadcast(long address) {
        return FloatVector.broadcast(SPECIES, SEGMENT.get(FLOAT, address));
    }
}
