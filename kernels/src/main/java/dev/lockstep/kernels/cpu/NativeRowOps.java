package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.kernels.WeightType;
import java.lang.invoke.MethodHandle;

/// Calls `embed.cpp`, `rms_norm.cpp` and `silu_multiply.cpp`.
final class NativeRowOps implements RowOps {
    private final MethodHandle embed;
    private final MethodHandle rmsNorm;
    private final MethodHandle addRmsNorm;
    private final MethodHandle siluMultiply;

    NativeRowOps(NativeLibrary library) {
        embed =
                library.function(
                        "lockstep_embed",
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        rmsNorm =
                library.function(
                        "lockstep_rms_norm",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        addRmsNorm =
                library.function(
                        "lockstep_add_rms_norm",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        siluMultiply =
                library.function(
                        "lockstep_silu_multiply",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
    }

    @Override
    public void embed(
            long table,
            WeightType type,
            long rowBytes,
            long columnBytes,
            int columns,
            long sourceRows,
            long ids,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            embed.invokeExact(
                    table,
                    NativeLibrary.code(type),
                    rowBytes,
                    columnBytes,
                    (long) columns,
                    sourceRows,
                    ids,
                    out,
                    outStride,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void rmsNorm(
            long x,
            long xStride,
            long weight,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            rmsNorm.invokeExact(
                    x,
                    xStride,
                    weight,
                    (long) columns,
                    epsilon,
                    out,
                    outStride,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void addRmsNorm(
            long x,
            long xStride,
            long residual,
            long residualStride,
            long weight,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            addRmsNorm.invokeExact(
                    x,
                    xStride,
                    residual,
                    residualStride,
                    weight,
                    (long) columns,
                    epsilon,
                    out,
                    outStride,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void siluMultiply(
            long gateUp, long stride, int columns, long out, long outStride, int from, int to) {
        try {
            siluMultiply.invokeExact(
                    gateUp, stride, (long) columns, out, outStride, (long) from, (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }
}
