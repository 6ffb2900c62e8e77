// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// e^x within 2 ulp in [-87, 88], 0 below, e^88 above; bitwise equal to that of `lanes.h`.
///
/// x = n·ln 2 + r. Adding 1.5·2^23 rounds x / ln 2 to n, half to even, and leaves n in the low bits
/// of the sum; the polynomial in r was fitted at Chebyshev nodes.
final class Exponential {
    private static final float MIN = -87;
    private static final float MAX = 88;
    private static final float SHIFT = 0x1.8p23f;
    private static final float PER_LN2 = 0x1.715476p0f;
    private static final float LN2_HIGH = 0x1.62e43p-1f;
    private static final float LN2_LOW = -0x1.05c61p-29f;
    private static final float C6 = 0x1.6d113ep-10f;
    private static final float C5 = 0x1.120ba2p-7f;
    private static final float C4 = 0x1.55551ap-5f;
    private static final float C3 = 0x1.5554dcp-3f;
    private static final float C2 = 0.5f;

    private Exponential() {}

    static float of(float x) {
        float bounded = Math.min(x, MAX);
        float shifted = Math.fma(bounded, PER_LN2, SHIFT);
        float n = shifted - SHIFT;
        float r = Math.fma(n, -LN2_HIGH, bounded);
        r = Math.fma(n, -LN2_LOW, r);
        float p = Math.fma(C6, r, C5);
        p = Math.fma(p, r, C4);
        p = Math.fma(p, r, C3);
        p = Math.fma(p, r, C2);
        p = Math.fma(r * r, p, r + 1);
        int power = Float.floatToRawIntBits(shifted) << 23;
        return x < MIN ? 0 : Float.intBitsToFloat(Float.floatToRawIntBits(p) + power);
    }

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
