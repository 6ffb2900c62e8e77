// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// Sixteen floats at a time in as many registers as the machine needs, so that the twins compute
/// the same bits with vectors of 4, 8 or 16 lanes.
///
/// Addresses index [#MEMORY]. Classes that native kernels need do not use it: their JVM may have no
/// Vector API.
final class VectorLanes {
    static final int COUNT = 16;
    static final long BYTES = COUNT * 4L;
    static final VectorSpecies<Float> SPECIES =
            FloatVector.SPECIES_PREFERRED.length() > COUNT
                    ? FloatVector.SPECIES_512
                    : FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
    static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, SPECIES.vectorShape());
    static final int STEP = SPECIES.length();
    static final ByteOrder ORDER = ByteOrder.nativeOrder();
    static final MemorySegment MEMORY = AllMemory.SEGMENT;
    static final ValueLayout.OfFloat FLOAT = AllMemory.FLOAT;
    static final ValueLayout.OfInt INT = AllMemory.INT;
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    private VectorLanes() {}

    /// Returns the sum of sixteen lanes: lane i with lane i + 8, then i + 4, i + 2, i + 1, the only
    /// order in which lanes are summed. Overwrites the sixteen floats at `address`.
    static float sum(long address) {
        for (int half = COUNT / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                long at = address + i * 4L;
                MEMORY.set(FLOAT, at, MEMORY.get(FLOAT, at) + MEMORY.get(FLOAT, at + half * 4L));
            }
        }
        return MEMORY.get(FLOAT, address);
    }

    /// Returns [#sum] of an array of sixteen, which it overwrites.
    static float sum(float[] lanes) {
        for (int half = COUNT / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                lanes[i] += lanes[i + half];
            }
        }
        return lanes[0];
    }

    /// Returns the half-precision float at `address`.
    static float half(long address) {
        return Float.float16ToFloat(MEMORY.get(SHORT, address));
    }

    static float bfloat16ToFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /// Rounds half to even; a NaN stays a NaN.
    static short floatToBfloat16(float x) {
        int bits = Float.floatToRawIntBits(x);
        boolean nan = (bits & 0x7fffffff) > 0x7f800000;
        int rounded = bits + 0x7fff + ((bits >>> 16) & 1);
        return (short) ((nan ? bits | 0x400000 : rounded) >>> 16);
    }
}
