// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Xielu;
import jdk.incubator.vector.FloatVector;

/// The twin of `elementwise.cpp` and `activate.cpp` that needs no compiler. Ops that few model
/// families need are computed element by element.
final class VectorElementOps implements ElementOps {

    @Override
    public void add(long x, long xStride, long y, long yStride, int columns, int from, int to) {
        for (int row = from; row < to; row++) {
            addRow(y + row * yStride * 4, x + row * xStride * 4, columns);
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
        for (int row = from; row < to; row++) {
            float logit = MEMORY.get(FLOAT, logits + row * logitStride * 4);
            float share = 1 / (Exponential.of(0 - logit) + 1);
            for (int c = 0; c < columns; c++) {
                long at = x + (row * xStride + c) * 4;
                float added = MEMORY.get(FLOAT, y + (row * yStride + c) * 4);
                MEMORY.set(FLOAT, at, Math.fma(share, added, MEMORY.get(FLOAT, at)));
            }
        }
    }

    @Override
    public void scale(long x, long xStride, float factor, int columns, int from, int to) {
        for (int row = from; row < to; row++) {
            for (int c = 0; c < columns; c++) {
                long at = x + (row * xStride + c) * 4;
                MEMORY.set(FLOAT, at, MEMORY.get(FLOAT, at) * factor);
            }
        }
    }

    @Override
    public void scaleRows(
            long x, long xStride, long factors, long positions, int columns, int from, int to) {
        for (int row = from; row < to; row++) {
            int position = MEMORY.get(AllMemory.INT, positions + row * 4L);
            scale(x, xStride, MEMORY.get(FLOAT, factors + position * 4L), columns, row, row + 1);
        }
    }

    @Override
    public void softCap(long x, long xStride, float cap, int columns, int from, int to) {
        for (int row = from; row < to; row++) {
            for (int c = 0; c < columns; c++) {
                long at = x + (row * xStride + c) * 4;
                MEMORY.set(FLOAT, at, HyperbolicTangent.softCap(MEMORY.get(FLOAT, at), cap));
            }
        }
    }

    @Override
    public void xielu(Xielu xielu, long x, long xStride, int columns, int from, int to) {
        for (int row = from; row < to; row++) {
            for (int c = 0; c < columns; c++) {
                long at = x + (row * xStride + c) * 4;
                MEMORY.set(FLOAT, at, ActivationFunctions.of(xielu, MEMORY.get(FLOAT, at)));
            }
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
        for (int row = from; row < to; row++) {
            for (int c = 0; c < columns; c++) {
                float value = MEMORY.get(FLOAT, x + (row * stride + c) * 4);
                MEMORY.set(
                        FLOAT,
                        out + (row * outStride + c) * 4,
                        ActivationFunctions.of(activation, value));
            }
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
        int whole =
                activation == Activation.SILU ? columns / VectorLanes.COUNT * VectorLanes.COUNT : 0;
        for (int row = from; row < to; row++) {
            long gate = gateUp + row * stride * 4;
            long up = gate + columns * 4L;
            long target = out + row * outStride * 4;
            for (int c = 0; c < whole; c += VectorLanes.COUNT) {
                gateLanes(gate + c * 4L, up + c * 4L, target + c * 4L);
            }
            for (int c = whole; c < columns; c++) {
                float g = MEMORY.get(FLOAT, gate + c * 4L);
                float u = MEMORY.get(FLOAT, up + c * 4L);
                MEMORY.set(FLOAT, target + c * 4L, ActivationFunctions.gated(activation, g, u));
            }
        }
    }

    // `target` holds e^-gate in between.
    private static void gateLanes(long gate, long up, long target) {
        for (int i = 0; i < VectorLanes.COUNT; i += STEP) {
            FloatVector.zero(SPECIES)
                    .sub(FloatVector.fromMemorySegment(SPECIES, MEMORY, gate + i * 4L, ORDER))
                    .intoMemorySegment(MEMORY, target + i * 4L, ORDER);
        }
        VectorExponential.lanes(target, 0, 1);
        for (int i = 0; i < VectorLanes.COUNT; i += STEP) {
            FloatVector e = FloatVector.fromMemorySegment(SPECIES, MEMORY, target + i * 4L, ORDER);
            FloatVector.fromMemorySegment(SPECIES, MEMORY, gate + i * 4L, ORDER)
                    .div(e.add(1))
                    .mul(FloatVector.fromMemorySegment(SPECIES, MEMORY, up + i * 4L, ORDER))
                    .intoMemorySegment(MEMORY, target + i * 4L, ORDER);
        }
    }

    /// Computes `sums += x` for one row.
    static void addRow(long x, long sums, int columns) {
        int c = 0;
        for (; c + STEP <= columns; c += STEP) {
            FloatVector.fromMemorySegment(SPECIES, MEMORY, sums + c * 4L, ORDER)
                    .add(FloatVector.fromMemorySegment(SPECIES, MEMORY, x + c * 4L, ORDER))
                    .intoMemorySegment(MEMORY, sums + c * 4L, ORDER);
        }
        for (; c < columns; c++) {
            float sum = MEMORY.get(FLOAT, sums + c * 4L) + MEMORY.get(FLOAT, x + c * 4L);
            MEMORY.set(FLOAT, sums + c * 4L, sum);
        }
    }
}
