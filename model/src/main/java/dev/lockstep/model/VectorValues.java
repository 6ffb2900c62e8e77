// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.WeightMatrix;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// The values of a stored vector as floats: norms and biases, which no checkpoint quantizes.
final class VectorValues {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private VectorValues() {}

    static float[] of(WeightMatrix vector, Span rows) {
        if (vector.decoder().isPresent()) {
            throw new CheckpointException(
                    "tensor %s is quantized; a vector must be F32, F16 or BF16"
                            .formatted(vector.name()));
        }
        float[] values = new float[rows.size()];
        for (int i = 0; i < values.length; i++) {
            int row = vector.storedRow(rows.from() + i);
            values[i] =
                    switch (vector.type()) {
                        case F32 -> vector.data().get(FLOAT, 4L * row);
                        case F16 -> Float.float16ToFloat(vector.data().get(SHORT, 2L * row));
                        case BF16 -> Float.intBitsToFloat(vector.data().get(SHORT, 2L * row) << 16);
                        default ->
                                throw new CheckpointException(
                                        "tensor %s has type %s; a vector must be F32, F16 or BF16"
                                                .formatted(vector.name(), vector.type()));
                    };
        }
        return values;
    }
}
