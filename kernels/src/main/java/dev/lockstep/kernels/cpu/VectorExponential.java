// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.Exponential.C2;
import static dev.lockstep.kernels.cpu.Exponential.C3;
import static dev.lockstep.kernels.cpu.Exponential.C4;
import static dev.lockstep.kernels.cpu.Exponential.C5;
import static dev.lockstep.kernels.cpu.Exponential.C6;
import static dev.lockstep.kernels.cpu.Exponential.LN2_HIGH;
import static dev.lockstep.kernels.cpu.Exponential.LN2_LOW;
import static dev.lockstep.kernels.cpu.Exponential.MAX;
import static dev.lockstep.kernels.cpu.Exponential.MIN;
import static dev.lockstep.kernels.cpu.Exponential.PER_LN2;
import static dev.lockstep.kernels.cpu.Exponential.SHIFT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// [Exponential] of sixteen floats at a time.
final class VectorExponential {
    private VectorExponential() {}

    /// Replaces the sixteen floats at `address` by `e^((x - subtrahend) · factor)`.
    static void lanes(long address, float subtrahend, float factor) {
        for (int i = 0; i < VectorLanes.COUNT; i += STEP) {
            long at = address + i * 4L;
            FloatVector x =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                            .sub(subtrahend)
                            .mul(factor);
            FloatVector bounded = x.min(MAX);
            FloatVector shift = FloatVector.broadcast(SPECIES, SHIFT);
            FloatVector shifted = bounded.fma(FloatVector.broadcast(SPECIES, PER_LN2), shift);
            FloatVector n = shifted.sub(shift);
            FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), bounded);
            r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
            FloatVector p =
                    r.fma(FloatVector.broadcast(SPECIES, C6), FloatVector.broadcast(SPECIES, C5));
            p = p.fma(r, FloatVector.broadcast(SPECIES, C4));
            p = p.fma(r, FloatVector.broadcast(SPECIES, C3));
            p = p.fma(r, FloatVector.broadcast(SPECIES, C2));
            p = r.mul(r).fma(p, r.add(1));
            IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
            p.reinterpretAsInts()
                    .add(power)
                    .reinterpretAsFloats()
                    .blend(0, x.lt(MIN))
                    .intoMemorySegment(MEMORY, at, ORDER);
        }
    }
}
