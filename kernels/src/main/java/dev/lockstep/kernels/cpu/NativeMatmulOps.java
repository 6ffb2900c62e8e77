// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.checkpoint.GridBlock;
import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/// Calls `pack*.cpp`, `activations.cpp` and `matmul_*.cpp`; they and `planes.h` define the layouts.
final class NativeMatmulOps implements MatmulOps {
    private static final int INT8_BLOCK_BYTES = 48;
    private static final int BLOCK = 32;
    private static final int SUB_BLOCKS = 8;
    private static final long HALVES_BYTES = 2L * TILE_ROWS;

    private static final MemoryLayout[] PACK = {
        JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG,
        JAVA_LONG, JAVA_INT, JAVA_INT
    };
    private static final MemoryLayout[] PREPARE = {
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT
    };
    private static final MemoryLayout[] MULTIPLY = {
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT,
        JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG
    };

    private final PackedLayout layout;
    private final boolean hasBf16;
    private final MethodHandle prepareBf16;
    private final MethodHandle prepareInt8;
    private final Map<WeightFormat, MethodHandle> pack = new EnumMap<>(WeightFormat.class);
    private final Map<WeightFormat, MethodHandle> multiply = new EnumMap<>(WeightFormat.class);

    NativeMatmulOps(NativeLibrary library) {
        layout = new PackedLayout(library.instructionSet().key(), 1);
        hasBf16 = library.instructionSet().hasBf16();
        prepareBf16 = library.function("lockstep_activations_bf16", PREPARE);
        prepareInt8 = library.function("lockstep_activations_int8", PREPARE);
        for (WeightFormat format : WeightFormat.values()) {
            String name = format.name().toLowerCase(Locale.ROOT);
            pack.put(format, library.function("lockstep_pack_" + packer(format, name), PACK));
            multiply.put(format, library.function("lockstep_matmul_" + name, MULTIPLY));
        }
    }

    private static String packer(WeightFormat format, String name) {
        return switch (format) {
            case F32, BF16, Q8_0, Q4_1 -> name;
            case E4M3_F32, E4M3_BF16 -> "e4m3";
            case NVFP4_F32, NVFP4_BF16 -> "nvfp4";
            case NF4_F32, NF4_BF16, FP4_F32, FP4_BF16 -> "nf4";
            case Q4_0,
                    Q5_0,
                    Q5_1,
                    IQ4_NL,
                    MXFP4,
                    Q2_K,
                    Q3_K,
                    Q4_K,
                    Q5_K,
                    Q6_K,
                    IQ4_XS,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32 ->
                    "quantized";
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0 -> "grid";
        };
    }

    @Override
    public PackedLayout layout() {
        return layout;
    }

    @Override
    public long tileBytes(WeightFormat format, int columns, int skipped) {
        long blocks = columns / BLOCK;
        return switch (format) {
            case F32 -> 4L * TILE_ROWS * columns;
            case BF16 -> 2L * TILE_ROWS * CpuMemory.roundUp(columns, 2);
            case Q8_0 -> pairs(blocks, 8);
            case Q4_0, IQ4_NL, MXFP4 -> pairs(blocks, 4);
            case Q5_0 -> pairs(blocks, 5);
            case Q4_1 -> blocks * (2 * HALVES_BYTES + planes(4));
            case Q5_1 -> blocks * (2 * HALVES_BYTES + planes(5));
            case Q2_K -> superBlocks(blocks, skipped, 2);
            case Q3_K -> superBlocks(blocks, skipped, 3);
            case Q4_K, IQ4_XS -> superBlocks(blocks, skipped, 4);
            case Q5_K -> superBlocks(blocks, skipped, 5);
            case Q6_K -> superBlocks(blocks, skipped, 6);
            // Besides the bytes of the file: the eighth of eight signs, of IQ1_S a bit of four for
            // each scale and three for shifts, of IQ1_M the scale of a block.
            case IQ1_S -> gridBlocks(columns, skipped, TensorType.IQ1_S.blockBytes() + 4);
            case IQ1_M -> gridBlocks(columns, skipped, TensorType.IQ1_M.blockBytes() + 2);
            case IQ2_XXS -> gridBlocks(columns, skipped, TensorType.IQ2_XXS.blockBytes() + 4);
            case IQ2_XS -> gridBlocks(columns, skipped, TensorType.IQ2_XS.blockBytes() + 4);
            case IQ3_XXS -> gridBlocks(columns, skipped, TensorType.IQ3_XXS.blockBytes() + 4);
            case IQ2_S, IQ3_S, TQ1_0, TQ2_0 ->
                    gridBlocks(columns, skipped, TensorType.valueOf(format.name()).blockBytes());
            case Q4_OFFSET, Q4_ZERO -> affineGroups(blocks, skipped, 2, 4);
            case Q4_ZERO_128 -> affineGroups(blocks, skipped, 4, 4);
            case Q4_ZERO_32 -> blocks * (2 * HALVES_BYTES + planes(4));
            case Q8_ZERO -> affineGroups(blocks, skipped, 2, 8);
            case Q8_OFFSET, Q8_ZERO_32 -> blocks * (2 * HALVES_BYTES + planes(8));
            case E4M3_F32, E4M3_BF16 -> floatBlocks(TensorType.E4M3, columns, skipped);
            case NVFP4_F32, NVFP4_BF16 -> floatBlocks(TensorType.NVFP4, columns, skipped);
            case NF4_F32, NF4_BF16, FP4_F32, FP4_BF16 ->
                    floatBlocks(TensorType.NF4, columns, skipped);
        };
    }

    /// Returns the bytes of the codes of a block, for all rows of a tile.
    private static long planes(int bits) {
        return (long) bits * BLOCK * TILE_ROWS / 8;
    }

    /// Returns the bytes of blocks with a scale, which are stored in pairs.
    private static long pairs(long blocks, int bits) {
        return CpuMemory.roundUp(blocks, 2) * (HALVES_BYTES + planes(bits));
    }

    /// Returns the bytes of whole groups of blocks with a scale and a minimum or zero point,
    /// including those that are used only in part.
    private static long affineGroups(long blocks, int skipped, int size, int bits) {
        return Math.ceilDiv(skipped / BLOCK + blocks, size)
                * (2 * HALVES_BYTES + size * planes(bits));
    }

    /// Returns the bytes of whole blocks of short floats, including those that are used only in
    /// part: they are as large as in the matrix.
    private static long floatBlocks(TensorType type, int columns, int skipped) {
        long blocks = Math.ceilDiv((long) skipped + columns, type.blockSize());
        return blocks * TILE_ROWS * type.blockBytes();
    }

    /// Returns the bytes of whole blocks of so many bytes, including those that are used only in
    /// part.
    private static long gridBlocks(int columns, int skipped, int blockBytes) {
        long blocks = Math.ceilDiv((long) skipped + columns, GridBlock.SIZE);
        return CpuMemory.roundUp(blocks * TILE_ROWS * blockBytes, 64);
    }

    /// Returns the bytes of whole super-blocks, including those that are used only in part.
    private static long superBlocks(long blocks, int skipped, int bits) {
        long subBlocks = CpuMemory.roundUp(skipped / BLOCK + blocks, SUB_BLOCKS);
        return subBlocks / SUB_BLOCKS * 2 * HALVES_BYTES
                + subBlocks * (2 * TILE_ROWS + planes(bits));
    }

    @Override
    public void pack(
            WeightSource source, WeightFormat format, long target, int tileFrom, int tileTo) {
        try {
            handle(pack, format)
                    .invokeExact(
                            NativeLibrary.code(source.type()),
                            source.data(),
                            source.rowBytes(),
                            source.rowIndices(),
                            source.rows(),
                            source.columns(),
                            source.skipped(),
                            target,
                            tileBytes(format, source.columns(), source.skipped()),
                            tileFrom,
                            tileTo);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public long activationBytes(WeightFormat format, int columns) {
        return switch (format.inputs()) {
            case F32 -> 4L * columns;
            case BF16 -> (hasBf16 ? 2L : 4L) * CpuMemory.roundUp(columns, 2);
            case INT8 -> (long) columns / BLOCK * INT8_BLOCK_BYTES;
        };
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
        MethodHandle handle = format.isQuantized() ? prepareInt8 : prepareBf16;
        try {
            handle.invokeExact(x, xStride, columns, target, rowBytes, rowFrom, rowTo);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
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
        long tileBytes = tileBytes(format, columns, skipped);
        try {
            handle(multiply, format)
                    .invokeExact(
                            x, xStride, tokens, columns, skipped, weight, tileBytes, rows, tileFrom,
                            tileTo, out, outStride);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    private static MethodHandle handle(
            Map<WeightFormat, MethodHandle> handles, WeightFormat format) {
        return Objects.requireNonNull(handles.get(format));
    }
}
