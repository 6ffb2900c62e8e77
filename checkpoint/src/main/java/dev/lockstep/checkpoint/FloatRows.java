// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Plain values, one row after the other.
///
/// @param type F32, F16 or BF16
/// @param rowStride values from row to row
/// @param columnStride values from column to column
record FloatRows(MemorySegment data, TensorType type, long rowStride, long columnStride)
        implements RowReader {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public void read(int row, int from, float[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = at(row * rowStride + (from + i) * columnStride);
        }
    }

    float at(long index) {
        return switch (type) {
            case F32 -> data.get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(data.get(SHORT, 2 * index));
            default -> Float.intBitsToFloat(data.get(SHORT, 2 * index) << 16);
        };
    }
}
