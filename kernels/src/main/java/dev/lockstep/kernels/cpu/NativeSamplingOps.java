// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/// Calls `sampling.cpp`.
final class NativeSamplingOps implements SamplingOps {
    private final MethodHandle argMax;
    private final MethodHandle clean;
    private final MethodHandle exponentialSum;
    private final MethodHandle collect;
    private final MethodHandle draw;

    NativeSamplingOps(NativeLibrary library) {
        argMax =
                library.function(
                        "lockstep_arg_max", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT));
        clean = library.function("lockstep_clean", JAVA_LONG, JAVA_INT, JAVA_LONG);
        exponentialSum =
                library.function(
                        "lockstep_exponential_sum",
                        FunctionDescriptor.of(
                                JAVA_DOUBLE, JAVA_LONG, JAVA_INT, JAVA_FLOAT, JAVA_FLOAT));
        collect =
                library.function(
                        "lockstep_collect",
                        FunctionDescriptor.of(
                                JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_FLOAT, JAVA_LONG));
        draw =
                library.function(
                        "lockstep_draw",
                        FunctionDescriptor.of(
                                JAVA_INT,
                                JAVA_LONG,
                                JAVA_INT,
                                JAVA_FLOAT,
                                JAVA_INT,
                                JAVA_DOUBLE,
                                JAVA_LONG,
                                JAVA_INT,
                                JAVA_INT));
    }

    @Override
    public int argMax(long logits, int count) {
        try {
            return (int) argMax.invokeExact(logits, count);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void clean(long logits, int count, long maxima) {
        try {
            clean.invokeExact(logits, count, maxima);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public double exponentialSum(long logits, int count, float greatest, float factor) {
        try {
            return (double) exponentialSum.invokeExact(logits, count, greatest, factor);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public int collect(long logits, int count, float limit, long ids) {
        try {
            return (int) collect.invokeExact(logits, count, limit, ids);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public int draw(
            long logits,
            int count,
            float greatest,
            int start,
            double factor,
            long seed,
            int choice,
            int position) {
        try {
            return (int)
                    draw.invokeExact(
                            logits, count, greatest, start, factor, seed, choice, position);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }
}
