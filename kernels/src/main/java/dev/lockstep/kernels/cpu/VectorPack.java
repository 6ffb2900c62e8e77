// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.MatmulOps.TILE_ROWS;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorLanes.half;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;

/// The packing of stored rows into the tiles that the `Vector…Tile` classes describe. Rows that do
/// not exist stay zero, as fresh memory is.
final class VectorPack {
    private VectorPack() {}

    static void pack(WeightSource source, WeightFormat format, int tile, long target) {
        int rows = Math.min(TILE_ROWS, source.rows() - tile * TILE_ROWS);
        for (int r = 0; r < rows; r++) {
            int stored = SEGMENT.get(INT, source.rowIndices() + 4L * (tile * TILE_ROWS + r));
            long row = source.data() + stored * source.rowBytes();
            long out = target + 4L * r;
            switch (format) {
                case F32 -> packF32(source, row, out);
                case BF16 -> packBf16(source, row, out);
                case Q4_0,
                        Q4_1,
                        Q5_0,
                        Q5_1,
                        Q8_0,
                        IQ4_NL,
                        MXFP4,
                        Q2_K,
                        Q3_K,
                        Q4_K,
                        Q5_K,
                        Q6_K,
                        IQ4_XS,
                        IQ2_GRID,
                        IQ3_GRID,
                        Q4_OFFSET,
                        Q4_ZERO,
                        Q8_OFFSET,
                        Q4_ZERO_32,
                        Q8_ZERO,
                        Q8_ZERO_32 ->
                        VectorPackSubBlocks.pack(source, row, out, VectorFormat.of(format));
                case E4M3_F32, E4M3_BF16 -> packE4m3(source, row, out);
                case NVFP4_F32, NVFP4_BF16 -> packNvfp4(source, row, out);
                case NF4_F32, NF4_BF16, FP4_F32, FP4_BF16 -> packNf4(source, row, out);
            }
        }
    }

    private static void packF32(WeightSource source, long row, long out) {
        for (int column = 0; column < source.columns(); column++) {
            SEGMENT.set(FLOAT, out + 64L * column, element(source.type(), row, column));
        }
    }

    private static void packBf16(WeightSource source, long row, long out) {
        for (int column = 0; column < source.columns(); column++) {
            SEGMENT.set(
                    SHORT,
                    out + 64L * (column / 2) + 2L * (column % 2),
                    VectorLanes.floatToBfloat16(element(source.type(), row, column)));
        }
    }

    private static float element(TensorType type, long row, int column) {
        return switch (type) {
            case F32 -> SEGMENT.get(FLOAT, row + 4L * column);
            case F16 -> half(row + 2L * column);
            case BF16 -> VectorLanes.bfloat16ToFloat(SEGMENT.get(SHORT, row + 2L * column));
            case Q4_0,
                    Q4_1,
                    Q5_0,
                    Q5_1,
                    Q8_0,
                    IQ4_NL,
                    MXFP4,
                    Q2_K,
                    Q3_K,
                    Q4_K,
                    Q5_K,
                    Q6_K,
                    IQ4_XS,
                    IQ2_GRID,
                    IQ3_GRID,
                    E4M3,
                    NVFP4,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q8_ZERO,
                    Q8_ZERO_32,
                    NF4,
                    FP4 ->
                    throw new IllegalArgumentException(type + " is not plain");
        };
    }

    /// A NaN is no code of the tile: its scale becomes one, since the row's sum is NaN anyway.
    private static void packE4m3(WeightSource source, long row, long out) {
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
                SEGMENT.set(INT, out + 64L + 16L * i, four);
            }
            SEGMENT.set(FLOAT, out, nan ? Float.NaN : scale);
            out += VectorE4m3Tile.BLOCK_BYTES;
        }
    }

    private static void packNvfp4(WeightSource source, long row, long out) {
        for (int from = 0; from < source.columns(); from += BLOCK) {
            int column = source.skipped() + from;
            for (int half = 0; half < 2; half++) {
                SEGMENT.set(FLOAT, out + 64L * half, Nvfp4.scale(row, column + 16 * half));
            }
            for (int i = 0; i < BLOCK; i += 8) {
                SEGMENT.set(
                        INT, out + 128L + 8L * i, SEGMENT.get(INT, Nvfp4.codes(row, column + i)));
            }
            out += VectorNvfp4Tile.BLOCK_BYTES;
        }
    }

    private static void packNf4(WeightSource source, long row, long out) {
        for (int from = 0; from < source.columns(); from += BLOCK) {
            int column = source.skipped() + from;
            SEGMENT.set(FLOAT, out, Nf4.scale(row, column));
            for (int i = 0; i < BLOCK; i += 8) {
                SEGMENT.set(INT, out + 64L + 8L * i, SEGMENT.get(INT, Nf4.codes(row, column + i)));
            }
            out += VectorNf4Tile.BLOCK_BYTES;
        }
    }
}
