// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.MatmulOps.TILE_ROWS;
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

    /// How a row of a format is packed.
    interface RowPacker {
        /// As [VectorTile#pack].
        void pack(WeightSource source, long row, long out);
    }

    static void pack(WeightSource source, RowPacker packer, int tile, long target) {
        int rows = Math.min(TILE_ROWS, source.rows() - tile * TILE_ROWS);
        for (int r = 0; r < rows; r++) {
            int stored = SEGMENT.get(INT, source.rowIndices() + 4L * (tile * TILE_ROWS + r));
            packer.pack(source, source.data() + stored * source.rowBytes(), target + 4L * r);
        }
    }

    /// Returns an element of a stored row of plain numbers.
    static float element(TensorType type, long row, int column) {
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
                    IQ1_S,
                    IQ1_M,
                    IQ2_XXS,
                    IQ2_XS,
                    IQ2_S,
                    IQ3_XXS,
                    IQ3_S,
                    TQ1_0,
                    TQ2_0,
                    E4M3,
                    NVFP4,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32,
                    NF4,
                    FP4 ->
                    throw new IllegalArgumentException(type + " is not plain");
        };
    }
}
