// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.MatmulOps.TILE_ROWS;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.cpu.MatmulOps.WeightSource;

/// How the Java kernels pack a quantized format: a tile is `[block of 32 columns][scales, codes]`.
///
/// @param perUnit 1 / unit of each column of a half
record VectorFormat(VectorCodes codes, VectorScales scales, float[] perUnit) {
    private static final VectorScales ONE = new VectorBlockScales(0);
    private static final VectorScales HALVES = new VectorHalfScales(0, false);

    private static final VectorFormat Q4_0 =
            new VectorFormat(new VectorCodes4(), new VectorBlockScales(8));
    private static final VectorFormat Q4_MINIMUM =
            new VectorFormat(new VectorCodes4(), new VectorMinimumScales(0));
    private static final VectorFormat Q3_K =
            new VectorFormat(new VectorCodes4(), new VectorHalfScales(4, false));
    private static final VectorFormat Q2_K =
            new VectorFormat(new VectorCodes2(), new VectorHalfScales(0, true));
    // Sixteen products of 16 · 127 fit 16 bits, and eight of 32 · 127.
    private static final VectorFormat Q5_0 =
            new VectorFormat(new VectorCodes8(16), new VectorBlockScales(16));
    private static final VectorFormat Q5_MINIMUM =
            new VectorFormat(new VectorCodes8(16), new VectorMinimumScales(16));
    private static final VectorFormat Q6_K =
            new VectorFormat(new VectorCodes8(8), new VectorHalfScales(32, false));
    private static final VectorFormat Q8_0 =
            new VectorFormat(new VectorCodes8(0), new VectorBlockScales(128));
    private static final VectorFormat Q8_MINIMUM =
            new VectorFormat(new VectorCodes8(0), new VectorMinimumScales(0));
    private static final VectorFormat IQ4_NL = table(TensorType.IQ4_NL, ONE);
    private static final VectorFormat MXFP4 = table(TensorType.MXFP4, ONE);
    private static final VectorFormat IQ4_XS = table(TensorType.IQ4_XS, HALVES);

    private VectorFormat(VectorCodes codes, VectorScales scales) {
        this(codes, scales, new float[VectorCodes.HALF]);
        for (int column = 0; column < perUnit.length; column++) {
            perUnit[column] = 1 / codes.unit(column);
        }
    }

    private static VectorFormat table(TensorType type, VectorScales scales) {
        return new VectorFormat(new VectorTableCodes(StoredSubBlock.table(type)), scales);
    }

    /// Returns the packing of a format whose activations are quantized and which is no
    /// [VectorGrid], and how its decoded blocks are multiplied.
    static VectorFormat of(WeightFormat format) {
        return switch (format) {
            case Q4_0 -> Q4_0;
            case Q4_1, Q4_K, Q4_OFFSET, Q4_ZERO, Q4_ZERO_32, Q4_ZERO_128 -> Q4_MINIMUM;
            case Q2_K -> Q2_K;
            case Q3_K -> Q3_K;
            case Q5_0 -> Q5_0;
            case Q5_1, Q5_K -> Q5_MINIMUM;
            case Q8_OFFSET, Q8_ZERO, Q8_ZERO_32 -> Q8_MINIMUM;
            case Q6_K -> Q6_K;
            case Q8_0 -> Q8_0;
            case IQ4_NL -> IQ4_NL;
            case MXFP4 -> MXFP4;
            case IQ4_XS -> IQ4_XS;
            // What a VectorGrid decodes is multiplied as the panels of IQ4_XS are.
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0 -> IQ4_XS;
            case F32,
                    BF16,
                    E4M3_F32,
                    E4M3_BF16,
                    NVFP4_F32,
                    NVFP4_BF16,
                    NF4_F32,
                    NF4_BF16,
                    FP4_F32,
                    FP4_BF16 ->
                    throw new IllegalArgumentException(format + " has no integers");
        };
    }

    /// Returns the bytes from block to block.
    long stride() {
        return scales.blockBytes() + codes.blockBytes();
    }

    long tileBytes(int columns) {
        return blocks(columns) * stride();
    }

    /// As [VectorTile#pack].
    void pack(WeightSource source, long row, long out) {
        VectorPackSubBlocks.pack(source, row, out, this);
    }

    static int blocks(int columns) {
        return columns / VectorCodes.BLOCK;
    }

    /// Returns the vectors of rows of a tile.
    static int vectorsOfTile() {
        return TILE_ROWS / STEP;
    }
}
