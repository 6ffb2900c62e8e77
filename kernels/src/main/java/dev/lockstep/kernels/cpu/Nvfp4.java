// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.ValueLayout;

/// Stored rows of NVFP4: blocks of an f32 factor, 8 scales in E4M3, and 128 floats of 4 bits
/// (E2M1), two in a byte, the first in the lower half. The twin of `float4.h`.
final class Nvfp4 {
    /// The sign and the 3 bits of a magnitude, as they stand in an f32 whose exponent is 126 too
    /// small.
    static final int MASK = 0x81C00000;

    /// The power of two that corrects the exponent, of subnormal codes too.
    static final float CORRECTION = 0x1p126f;

    private static final int SCALES = Float.BYTES;
    private static final int CODES = SCALES + 8;

    private Nvfp4() {}

    /// Returns what a column's code is multiplied by.
    static float scale(long row, int column) {
        long block = block(row, column);
        int within = column % TensorType.NVFP4.blockSize();
        float factor = SEGMENT.get(FLOAT, block);
        long at = block + SCALES + within / 16;
        float scale = Float8.value(SEGMENT.get(ValueLayout.JAVA_BYTE, at));
        return factor < 0 ? scale / -factor : scale * factor;
    }

    /// Returns the address of the byte of a column's code.
    static long codes(long row, int column) {
        return block(row, column) + CODES + column % TensorType.NVFP4.blockSize() / 2;
    }

    static float weight(long row, int column) {
        int both = SEGMENT.get(ValueLayout.JAVA_BYTE, codes(row, column));
        int first = both << (column % 2 == 0 ? 28 : 24);
        float value = Float.intBitsToFloat(first >> 6 & MASK) * CORRECTION;
        short rounded = VectorLanes.floatToBfloat16(value * scale(row, column));
        return VectorLanes.bfloat16ToFloat(rounded);
    }

    private static long block(long row, int column) {
        int number = column / TensorType.NVFP4.blockSize();
        return row + (long) number * TensorType.NVFP4.blockBytes();
    }
}
