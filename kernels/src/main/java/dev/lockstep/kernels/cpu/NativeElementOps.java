// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Xielu;
import java.lang.invoke.MethodHandle;

/// Calls `elementwise.cpp` and `activate.cpp`.
final class NativeElementOps implements ElementOps {
    private final MethodHandle add;
    private final MethodHandle addGated;
    private final MethodHandle scale;
    private final MethodHandle scaleRows;
    private final MethodHandle softCap;
    private final MethodHandle xielu;
    private final MethodHandle activate;
    private final MethodHandle activateMultiply;

    NativeElementOps(NativeLibrary library) {
        add =
                library.function(
                        "lockstep_add",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        addGated =
                library.function(
                        "lockstep_add_gated",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        scale =
                library.function(
                        "lockstep_scale",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        scaleRows =
                library.function(
                        "lockstep_scale_rows",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        softCap =
                library.function(
                        "lockstep_soft_cap",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        xielu =
                library.function(
                        "lockstep_xielu",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_FLOAT,
                        JAVA_FLOAT,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        activate =
                library.function(
                        "lockstep_activate",
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        activateMultiply =
                library.function(
                        "lockstep_activate_multiply",
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
    }

    @Override
    public void add(long x, long xStride, long y, long yStride, int columns, int from, int to) {
        try {
            add.invokeExact(x, xStride, y, yStride, (long) columns, (long) from, (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void addGated(
            long x,
            long xStride,
            long y,
            long yStride,
            long logits,
            long logitStride,
            int columns,
            int from,
            int to) {
        try {
            addGated.invokeExact(
                    x,
                    xStride,
                    y,
                    yStride,
                    logits,
                    logitStride,
                    (long) columns,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void scale(long x, long xStride, float factor, int columns, int from, int to) {
        try {
            scale.invokeExact(x, xStride, factor, (long) columns, (long) from, (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void scaleRows(
            long x, long xStride, long factors, long positions, int columns, int from, int to) {
        try {
            scaleRows.invokeExact(
                    x, xStride, factors, positions, (long) columns, (long) from, (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void softCap(long x, long xStride, float cap, int columns, int from, int to) {
        try {
            softCap.invokeExact(x, xStride, cap, (long) columns, (long) from, (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void xielu(Xielu xielu, long x, long xStride, int columns, int from, int to) {
        try {
            this.xielu.invokeExact(
                    x,
                    xStride,
                    xielu.positive(),
                    xielu.negative(),
                    xielu.beta(),
                    xielu.epsilon(),
                    (long) columns,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void activate(
            Activation activation,
            long x,
            long stride,
            int columns,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            activate.invokeExact(
                    code(activation),
                    x,
                    stride,
                    (long) columns,
                    out,
                    outStride,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void activateMultiply(
            Activation activation,
            long gateUp,
            long stride,
            int columns,
            long out,
            long outStride,
            int from,
            int to) {
        try {
            activateMultiply.invokeExact(
                    code(activation),
                    gateUp,
                    stride,
                    (long) columns,
                    out,
                    outStride,
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    /// Returns the number of `activation` in `activate.cpp`.
    private static int code(Activation activation) {
        return switch (activation) {
            case SILU -> 0;
            case GELU_TANH -> 1;
            case GELU_ERF -> 2;
            case CLAMPED_SWIGLU -> 3;
            case RELU_SQUARED -> 4;
        };
    }
}
