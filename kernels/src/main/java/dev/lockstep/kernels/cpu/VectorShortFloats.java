// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// What products of weights in short floats share; the twin of `short_floats.h`.
final class VectorShortFloats {
    private static final int UPPER_HALF = 0xFFFF0000;

    private VectorShortFloats() {}

    /// Adds weights, rounded to bf16 half to even, times the activation at an address.
    static FloatVector addRounded(FloatVector weight, long at, FloatVector sum) {
        IntVector bits = weight.reinterpretAsInts();
        IntVector rounded =
                bits.add(0x7FFF)
                        .add(bits.lanewise(VectorOperators.LSHR, 16).and(1))
                        .and(UPPER_HALF);
        float value = SEGMENT.get(FLOAT, at);
        return rounded.reinterpretAsFloats().fma(FloatVector.broadcast(SPECIES, value), sum);
    }
}
