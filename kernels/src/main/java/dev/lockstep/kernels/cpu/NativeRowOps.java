// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.checkpoint.TensorType;
import java.lang.invoke.MethodHandle;

/// Calls `embed.cpp`, `rms_norm.cpp` and `layer_norm.cpp`.
final class NativeRowOps implements RowOps {
    private final MethodHandle embed;
    private final MethodHandle rmsNorm;
    private final MethodHandle addRmsNorm;
    private final MethodHandle squareSums;
    private final MethodHandle normalizeBySums;
    private final MethodHandle layerNorm;

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
        squareSums =
                library.function(
                        "lockstep_square_sums",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        normalizeBySums =
                library.function(
                        "lockstep_normalize_by_sums",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG);
        layerNorm =
                library.function(
                        "lockstep_layer_norm",
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
    }

    @Override
    public void embed(
            long table,
            TensorType type,
            long rowBytes,
            long columnBytes,
            int skipped,
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
                    (long) skipped,
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
    public void squareSums(
            long x, long xStride, int columns, long out, long outStride, int from, int to) {
        try {
            squareSums.invokeExact(
                    x, xStride, (long) columns, out, outStride, (long) from, (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void normalizeBySums(
            long x,
            long xStride,
            long sums,
            long sumsStride,
            int count,
            long weight,
            int columns,
            float epsilon,
            int from,
            int to) {
        try {
            normalizeBySums.invokeExact(
                    x,
                    xStride,
                    sums,
                    sumsStride,
                    (long) count,
                    weight,
                    (long) columns,
                    epsilon,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void layerNorm(
            long x,
            long xStride,
            long weight,
            long bias,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            layerNorm.invokeExact(
                    x,
                    xStride,
                    weight,
                    bias,
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
}
