// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.kernels.LinearAttentionHeads;
import java.lang.invoke.MethodHandle;

/// Calls `state.cpp`.
final class NativeStateOps implements StateOps {
    private final MethodHandle convolve;
    private final MethodHandle decay;
    private final MethodHandle attend;
    private final MethodHandle multiply;

    NativeStateOps(NativeLibrary library) {
        convolve =
                library.function(
                        "lockstep_convolve",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG);
        decay =
                library.function(
                        "lockstep_decay",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_FLOAT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG);
        attend =
                library.function(
                        "lockstep_linear_attention",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        multiply =
                library.function(
                        "lockstep_multiply",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG);
    }

    @Override
    public void convolve(
            Rows rows,
            States states,
            long x,
            long stride,
            int columns,
            long weight,
            long bias,
            int taps,
            int from,
            int to) {
        try {
            convolve.invokeExact(
                    x,
                    stride,
                    (long) columns,
                    weight,
                    bias,
                    taps,
                    states.address(),
                    states.stride(),
                    rows.starts(),
                    rows.computed(),
                    rows.lines(),
                    rows.count(),
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void decay(
            long gates,
            long stride,
            int heads,
            long rate,
            long bias,
            float least,
            float most,
            boolean steps,
            int from,
            int to) {
        try {
            decay.invokeExact(
                    gates,
                    stride,
                    (long) heads,
                    rate,
                    bias,
                    least,
                    most,
                    steps ? 1 : 0,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void attend(
            Rows rows,
            States states,
            LinearAttentionHeads heads,
            long qkv,
            long stride,
            long gates,
            long gateStride,
            long skip,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            attend.invokeExact(
                    qkv,
                    stride,
                    heads.keyHeads(),
                    heads.keySize(),
                    heads.valueSize(),
                    heads.valueHeads(),
                    heads.group(),
                    heads.offset(),
                    heads.rule() == LinearAttentionHeads.Rule.DELTA ? 1 : 0,
                    gates,
                    gateStride,
                    skip,
                    states.address(),
                    states.stride(),
                    rows.starts(),
                    rows.computed(),
                    rows.lines(),
                    rows.count(),
                    out,
                    outStride,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void multiply(
            long x,
            long stride,
            int columns,
            long y,
            long yStride,
            int yColumns,
            boolean gated,
            int from,
            int to) {
        try {
            multiply.invokeExact(
                    x,
                    stride,
                    (long) columns,
                    y,
                    yStride,
                    (long) yColumns,
                    gated ? 1 : 0,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }
}
