// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.checkpoint.CodeValues;
import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.ValueLayout;

/// Stored rows of NF4 and FP4: blocks of an f32 scale and 64 codes, two in a byte, the first in the
/// lower half. The twin of `normal_float4.h`.
final class Nf4 {
    private static final float[] NF4 = CodeValues.normal4();
    private static final float[] FP4 = CodeValues.float4();

    private Nf4() {}

    /// Returns what the value of a column's code is multiplied by.
    static float scale(long row, int column) {
        return SEGMENT.get(FLOAT, block(row, column));
    }

    /// Returns the address of the byte of a column's code.
    static long codes(long row, int column) {
        return block(row, column) + Float.BYTES + column % TensorType.NF4.blockSize() / 2;
    }

    /// @param type NF4 or FP4
    static float weight(TensorType type, long row, int column) {
        float[] values = type == TensorType.FP4 ? FP4 : NF4;
        int both = SEGMENT.get(ValueLayout.JAVA_BYTE, codes(row, column));
        int code = both >> (column % 2 * 4) & 15;
        short rounded = VectorLanes.floatToBfloat16(values[code] * scale(row, column));
        return VectorLanes.bfloat16ToFloat(rounded);
    }

    private static long block(long row, int column) {
        int number = column / TensorType.NF4.blockSize();
        return row + (long) number * TensorType.NF4.blockBytes();
    }
}
