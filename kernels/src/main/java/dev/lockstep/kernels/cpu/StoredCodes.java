// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.CpuPagedKv.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;

import dev.lockstep.kernels.KvLayout;
import java.lang.foreign.ValueLayout;

/// Keys and values that are stored as q8: codes in `[-127, 127]`, and an f16 scale for each group
/// of dimensions. The scale is rounded first, so that a code is off by half a scale at most, except
/// where the scale is subnormal in f16: it is then so coarse that the largest codes are cut off at
/// 127, or that it is zero. The twin of `rotate_and_store.cpp`.
final class StoredCodes {
    private static final int MAGNITUDE = 0x7fffffff;
    private static final float MAX = 127;
    // Adding it rounds to an integer, half to even, and leaves that in the low bits.
    private static final float SHIFT = 0x1.8p23f;

    private StoredCodes() {}

    /// Stores a key and a value, unless it is the key, at `offset` of the block whose keys are at
    /// `keys`.
    static void store(long key, long value, long keys, int offset, KvLayout layout) {
        int headSize = layout.headSize();
        long rows = (long) BLOCK * headSize;
        long keyScales = keys + (long) BLOCK * layout.rowSize();
        store(key, headSize, keys + offset, BLOCK, keyScales + offset * 2L);
        if (!layout.valuesAreKeys()) {
            int valueSize = layout.valueSize();
            long values = keys + rows + (long) offset * valueSize;
            long valueScales = keyScales + (long) headSize / KvLayout.GROUP * BLOCK * 2;
            store(value, valueSize, values, 1, valueScales + offset * 2L);
        }
    }

    private static void store(long row, int headSize, long codes, int step, long scales) {
        for (int from = 0; from < headSize; from += KvLayout.GROUP) {
            long group = row + from * 4L;
            short half = Float.floatToFloat16(Float.intBitsToFloat(largest(group)) / MAX);
            MEMORY.set(SHORT, scales + (long) from / KvLayout.GROUP * BLOCK * 2, half);
            float scale = Float.float16ToFloat(half);
            float inverse = scale > 0 ? 1 / scale : 0;
            for (int d = 0; d < KvLayout.GROUP; d++) {
                float code = MEMORY.get(FLOAT, group + d * 4L) * inverse;
                code = code < MAX ? code : MAX;
                code = code > -MAX ? code : -MAX;
                byte stored = (byte) Float.floatToRawIntBits(code + SHIFT);
                MEMORY.set(ValueLayout.JAVA_BYTE, codes + (long) (from + d) * step, stored);
            }
        }
    }

    /// Returns the bits of the largest magnitude of a group. Compared as integers, a NaN is larger
    /// than every number, and so reaches the scale.
    private static int largest(long group) {
        int largest = 0;
        for (int d = 0; d < KvLayout.GROUP; d++) {
            int bits = Float.floatToRawIntBits(MEMORY.get(FLOAT, group + d * 4L));
            largest = Math.max(largest, bits & MAGNITUDE);
        }
        return largest;
    }
}
