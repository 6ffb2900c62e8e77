package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;

/// Calls `pack.cpp`, `activations.cpp` and `matmul_*.cpp`, whose comments draw the layouts.
final class NativeMatmulOps implements MatmulOps {
    private static final int INT8_BLOCK_BYTES = 48;

    private static final MemoryLayout[] PACK = {
        JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG,
        JAVA_INT, JAVA_INT
    };
    private static final MemoryLayout[] PREPARE = {
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT
    };
    private static final MemoryLayout[] MULTIPLY = {
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
        JAVA_INT, JAVA_LONG, JAVA_LONG
    };

    private final boolean hasBf16;
    private final MethodHandle packF32;
    private final MethodHandle packBf16;
    private final MethodHandle packQ8;
    private final MethodHandle packQ4;
    private final MethodHandle prepareBf16;
    private final MethodHandle prepareInt8;
    private final MethodHandle multiplyF32;
    private final MethodHandle multiplyBf16;
    private final MethodHandle multiplyQ8;
    private final MethodHandle multiplyQ4;

    NativeMatmulOps(NativeLibrary library) {
        hasBf16 = library.instructionSet().hasBf16();
        packF32 = library.function("lockstep_pack_f32", PACK);
        packBf16 = library.function("lockstep_pack_bf16", PACK);
        packQ8 = library.function("lockstep_pack_q8_0", PACK);
        packQ4 = library.function("lockstep_pack_q4_1", PACK);
        prepareBf16 = library.function("lockstep_activations_bf16", PREPARE);
        prepareInt8 = library.function("lockstep_activations_int8", PREPARE);
        multiplyF32 = library.function("lockstep_matmul_f32", MULTIPLY);
        multiplyBf16 = library.function("lockstep_matmul_bf16", MULTIPLY);
        multiplyQ8 = library.function("lockstep_matmul_q8_0", MULTIPLY);
        multiplyQ4 = library.function("lockstep_matmul_q4_1", MULTIPLY);
    }

    @Override
    public long tileBytes(WeightFormat format, int columns) {
        long columnBytes =
                switch (format) {
                    case F32 -> 4L * columns;
                    case BF16 -> 2L * CpuMemory.roundUp(columns, 2);
                    // Blocks come in pairs.
                    case Q8_0 -> CpuMemory.roundUp(columns / 32, 2) * 34;
                    case Q4_1 -> columns / 32 * 20L;
                };
        return CpuMemory.roundUp(columnBytes * TILE_ROWS, 64);
    }

    @Override
    public void pack(
            WeightSource source, WeightFormat format, long target, int tileFrom, int tileTo) {
        MethodHandle handle =
                switch (format) {
                    case F32 -> packF32;
                    case BF16 -> packBf16;
                    case Q8_0 -> packQ8;
                    case Q4_1 -> packQ4;
                };
        try {
            handle.invokeExact(
                    NativeLibrary.code(source.type()),
                    source.data(),
                    source.rowBytes(),
                    source.rowIndices(),
                    source.rows(),
                    source.columns(),
                    target,
                    tileBytes(format, source.columns()),
                    tileFrom,
                    tileTo);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public long activationBytes(WeightFormat format, int columns) {
        return switch (format) {
            case F32 -> 4L * columns;
            case BF16 -> (hasBf16 ? 2L : 4L) * CpuMemory.roundUp(columns, 2);
            case Q8_0, Q4_1 -> (long) columns / 32 * INT8_BLOCK_BYTES;
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
            long weight,
            int rows,
            int tileFrom,
            int tileTo,
            long out,
            long outStride) {
        long tileBytes = tileBytes(format, columns);
        MethodHandle handle =
                switch (format) {
                    case F32 -> multiplyF32;
                    case BF16 -> multiplyBf16;
                    case Q8_0 -> multiplyQ8;
                    case Q4_1 -> multiplyQ4;
                };
        try {
            handle.invokeExact(
                    x, xStride, tokens, columns, weight, tileBytes, rows, tileFrom, tileTo, out,
                    outStride);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }
}
