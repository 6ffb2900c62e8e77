// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Activations quantized to int8 for the Java twins, a record per block of 32: 16 ints, int i
/// holding q of column i in its low and of column i + 16 in its high half; the scale; scale · Σ q;
/// Σ q of the low and of the high halves.
final class VectorInt8 {
    static final int BLOCK = 32;
    static final long RECORD_BYTES = 76;
    static final long SCALE = 64;
    static final long SCALED_SUM = 68;
    static final long SUMS = 72;

    // Adding and subtracting 1.5 · 2^23 leaves no room for a fraction: it rounds half to even.
    private static final float ROUNDER = 12582912f;

    private VectorInt8() {}

    static void quantize(long x, int columns, long target) {
        for (int block = 0; block < columns / BLOCK; block++) {
            quantizeBlock(x + 4L * BLOCK * block, target + RECORD_BYTES * block);
        }
    }

    private static void quantizeBlock(long x, long record) {
        float largest = largest(x);
        float scale = largest / 127f;
        float inverse = 127f / largest;
        if (scale < Float.MIN_NORMAL) { // below it the inverse overflows
            scale = 0;
            inverse = 0;
        }
        int firstSum = 0;
        int secondSum = 0;
        for (int i = 0; i < BLOCK / 2; i += STEP) {
            IntVector low = rounded(x + 4L * i, inverse);
            IntVector high = rounded(x + 4L * (i + BLOCK / 2), inverse);
            low.and(0xFFFF)
                    .or(high.lanewise(VectorOperators.LSHL, 16))
                    .intoMemorySegment(SEGMENT, record + 4L * i, ORDER);
            firstSum += low.reduceLanes(VectorOperators.ADD);
            secondSum += high.reduceLanes(VectorOperators.ADD);
        }
        SEGMENT.set(FLOAT, record + SCALE, scale);
        SEGMENT.set(FLOAT, record + SCALED_SUM, scale * (firstSum + secondSum));
        SEGMENT.set(INT, record + SUMS, (firstSum & 0xFFFF) | (secondSum << 16));
    }

    // Compared as integers, so that a NaN is larger than every number and reaches the product.
    private static float largest(long x) {
        IntVector largest = IntVector.zero(INTS);
        for (int i = 0; i < BLOCK; i += STEP) {
            IntVector bits = IntVector.fromMemorySegment(INTS, SEGMENT, x + 4L * i, ORDER);
            largest = largest.max(bits.and(Integer.MAX_VALUE));
        }
        return Float.intBitsToFloat(largest.reduceLanes(VectorOperators.MAX));
    }

    private static IntVector rounded(long x, float inverse) {
        return (IntVector)
                FloatVector.fromMemorySegment(SPECIES, SEGMENT, x, ORDER)
                        .mul(inverse)
                        .add(ROUNDER)
                        .sub(ROUNDER)
                        .convertShape(VectorOperators.F2I, INTS, 0);
    }
}
