// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.MatmulOps.TILE_ROWS;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.checkpoint.GridBlock;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Some columns of a matrix of [GridBlock]s, which are packed as they are stored: a tile is `[block
/// of 256 columns][16 rows]`, and begins with the block that holds the first column.
record VectorGrid(TensorType type, int columns, int skipped) {
    private static final int SUB_BLOCKS = GridBlock.SIZE / VectorCodes.BLOCK;

    /// Returns the columns of a matrix, if its format is packed so.
    static Optional<VectorGrid> of(WeightFormat format, int columns, int skipped) {
        return switch (format) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0 ->
                    Optional.of(
                            new VectorGrid(TensorType.valueOf(format.name()), columns, skipped));
            default -> Optional.empty();
        };
    }

    private int blocks() {
        return Math.ceilDiv(skipped + columns, GridBlock.SIZE);
    }

    long tileBytes() {
        return CpuMemory.roundUp((long) blocks() * TILE_ROWS * type.blockBytes(), 64);
    }

    /// Packs a tile into zeroed memory.
    void pack(WeightSource source, int tile, long target) {
        int rows = Math.min(TILE_ROWS, source.rows() - tile * TILE_ROWS);
        int bytes = type.blockBytes();
        for (int r = 0; r < rows; r++) {
            int stored = SEGMENT.get(INT, source.rowIndices() + 4L * (tile * TILE_ROWS + r));
            long from = source.data() + stored * source.rowBytes();
            for (int block = 0; block < blocks(); block++) {
                long to = target + ((long) block * TILE_ROWS + r) * bytes;
                MemorySegment.copy(SEGMENT, from + (long) block * bytes, SEGMENT, to, bytes);
            }
        }
    }

    /// Decodes blocks of 32 columns to a vector of a panel.
    ///
    /// @param tile address of the tile
    /// @param row the first row of the vector in its tile
    /// @param from the first block, counted from the first column
    void decode(long tile, int row, int from, int count, VectorPanel panel, int vector) {
        var block = new GridBlock(type);
        int first = skipped / VectorCodes.BLOCK + from;
        for (int lane = 0; lane < STEP; lane++) {
            for (int i = 0; i < count; i++) {
                int subBlock = (first + i) % SUB_BLOCKS;
                if (i == 0 || subBlock == 0) {
                    int number = (first + i) / SUB_BLOCKS;
                    long stored = (long) number * TILE_ROWS + row + lane;
                    block.read(SEGMENT, tile + stored * type.blockBytes());
                }
                decode(block, subBlock * VectorCodes.BLOCK, panel, i, vector, lane);
            }
        }
    }

    private static void decode(
            GridBlock block, int column, VectorPanel panel, int to, int vector, int lane) {
        int scale = VectorPanel.place(to, vector) + lane;
        panel.scales[scale] = block.factor();
        panel.firstScales[scale] = block.subScale(column);
        panel.secondScales[scale] = block.subScale(column + VectorCodes.HALF);
        int code = VectorPanel.place(to, 0, vector) + lane;
        for (int c = 0; c < VectorCodes.BLOCK; c++) {
            panel.codes[code + c * VectorPanel.COLUMN] = block.value(column + c);
        }
    }
}
