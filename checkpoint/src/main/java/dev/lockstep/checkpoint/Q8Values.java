// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// A decoder of Q8_0 matrices that are small: blocks of an f16 scale and 32 signed bytes.
final class Q8Values {
    private static final ValueLayout.OfShort SCALE =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Q8Values() {}

    /// Returns all values, row after row.
    static float[] of(WeightMatrix matrix) {
        int size = TensorType.Q8_0.blockSize();
        int bytes = TensorType.Q8_0.blockBytes();
        MemorySegment data = matrix.data();
        float[] values = new float[Math.multiplyExact(matrix.rows(), matrix.columns())];
        for (int i = 0; i < values.length; i++) {
            long block = (long) (i / size) * bytes;
            float scale = Float.float16ToFloat(data.get(SCALE, block));
            values[i] = scale * data.get(ValueLayout.JAVA_BYTE, block + Short.BYTES + i % size);
        }
        return values;
    }
}
