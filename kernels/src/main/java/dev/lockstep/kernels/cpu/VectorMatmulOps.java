// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;

import java.util.Optional;

/// The twin of the C++ matmul kernels that needs no compiler: the same sums, in its own layouts.
/// Weights of integers are those of [VectorFormat] or [VectorGrid], all others of a [VectorTile].
final class VectorMatmulOps implements MatmulOps {
    private final VectorTile f32 = new VectorF32Tile();
    private final VectorTile bf16 = new VectorBf16Tile();
    private final VectorTile e4m3 = new VectorE4m3Tile();
    private final VectorTile nvfp4 = new VectorNvfp4Tile();
    private final ThreadLocal<VectorInt8Product> products =
            ThreadLocal.withInitial(VectorInt8Product::new);

    @Override
    public PackedLayout layout() {
        return new PackedLayout(InstructionSet.VECTOR_API.key(), 2);
    }

    @Override
    public long tileBytes(WeightFormat format, int columns, int skipped) {
        return VectorGrid.of(format, columns, skipped)
                .map(VectorGrid::tileBytes)
                .orElseGet(
                        () ->
                                format.isQuantized()
                                        ? VectorFormat.of(format).tileBytes(columns)
                                        : tile(format).tileBytes(columns));
    }

    @Override
    public void pack(
            WeightSource source, WeightFormat format, long target, int tileFrom, int tileTo) {
        long tileBytes = tileBytes(format, source.columns(), source.skipped());
        Optional<VectorGrid> grid = VectorGrid.of(format, source.columns(), source.skipped());
        VectorPack.RowPacker packer =
                format.isQuantized() ? VectorFormat.of(format)::pack : tile(format)::pack;
        for (int tile = tileFrom; tile < tileTo; tile++) {
            long to = target + tile * tileBytes;
            if (grid.isPresent()) {
                grid.get().pack(source, tile, to);
            } else {
                VectorPack.pack(source, packer, tile, to);
            }
        }
    }

    @Override
    public long activationBytes(WeightFormat format, int columns) {
        return switch (format.inputs()) {
            case F32 -> 4L * columns;
            case BF16 -> 4L * CpuMemory.roundUp(columns, 2);
            case INT8 -> columns / VectorInt8.BLOCK * VectorInt8.RECORD_BYTES;
        };
    }

    /// Quantized activations are read a few blocks at a time, in groups of tokens.
    @Override
    public int rowsAtOnce(WeightFormat format, long rowBytes) {
        return format.isQuantized()
                ? Integer.MAX_VALUE
                : MatmulOps.super.rowsAtOnce(format, rowBytes);
    }

    @Override
    public void prepareActivations(
            WeightFormat format,
            long x,
            long xStride,
            int columns,
            long target,
            long rowBytes,
            int rowFrom,
            int rowTo) {
        for (int row = rowFrom; row < rowTo; row++) {
            long in = x + 4L * row * xStride;
            if (format.isQuantized()) {
                VectorInt8.quantize(in, columns, target + row * rowBytes);
            } else {
                round(in, columns, target + row * rowBytes);
            }
        }
    }

    @Override
    public void multiply(
            WeightFormat format,
            long x,
            long xStride,
            int tokens,
            int columns,
            int skipped,
            long weight,
            int rows,
            int tileFrom,
            int tileTo,
            long out,
            long outStride) {
        if (format.isQuantized()) {
            var operands =
                    new VectorInt8Product.Operands(
                            VectorFormat.of(format),
                            VectorGrid.of(format, columns, skipped),
                            x,
                            xStride,
                            columns,
                            weight,
                            rows,
                            tileFrom,
                            tileTo,
                            out,
                            4 * outStride);
            products.get().multiply(operands, tokens);
            return;
        }
        VectorTile kernel = tile(format);
        long tileBytes = tileBytes(format, columns, skipped);
        for (int tile = tileFrom; tile < tileTo; tile++) {
            int tileRows = Math.min(TILE_ROWS, rows - tile * TILE_ROWS);
            long weights = weight + tile * tileBytes;
            long in = x;
            long to = out + 4L * TILE_ROWS * tile;
            int token = 0;
            for (; token + 4 <= tokens; token += 4) {
                kernel.four(in, xStride, columns, weights, to, 4 * outStride, tileRows);
                in += 4 * xStride;
                to += 16 * outStride;
            }
            for (; token < tokens; token++) {
                kernel.one(in, columns, weights, to, tileRows);
                in += xStride;
                to += 4 * outStride;
            }
        }
    }

    private VectorTile tile(WeightFormat format) {
        return switch (format) {
            case F32 -> f32;
            case BF16 -> bf16;
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
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32 ->
                    throw new IllegalArgumentException(format + " has no floats");
            case E4M3_F32, E4M3_BF16 -> e4m3;
            case NVFP4_F32, NVFP4_BF16 -> nvfp4;
            case NF4_F32, NF4_BF16 -> VectorNf4Tile.NF4;
            case FP4_F32, FP4_BF16 -> VectorNf4Tile.FP4;
        };
    }

    private static void round(long x, int columns, long target) {
        for (int column = 0; column < columns; column++) {
            short rounded = VectorLanes.floatToBfloat16(SEGMENT.get(FLOAT, x + 4L * column));
            SEGMENT.set(FLOAT, target + 4L * column, VectorLanes.bfloat16ToFloat(rounded));
        }
        if (columns % 2 != 0) {
            SEGMENT.set(FLOAT, target + 4L * columns, 0f);
        }
    }
}
