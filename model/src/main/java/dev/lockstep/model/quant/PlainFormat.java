// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import dev.lockstep.checkpoint.Bfloat16;
import dev.lockstep.checkpoint.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Values one by one, each rounded to the nearest of its type, to the even one of two.
///
/// @param type one of F32, F16, BF16
public record PlainFormat(TensorType type) implements RowFormat {

    public PlainFormat {
        if (type.isQuantized()) {
            throw new IllegalArgumentException(type + " has no plain values");
        }
    }

    /// Returns the stored bytes of some values.
    public byte[] encode(float[] values) {
        ByteBuffer out =
                ByteBuffer.allocate(Math.multiplyExact(values.length, type.blockBytes()))
                        .order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (type) {
                case F16 -> out.putShort(Float.floatToFloat16(value));
                case BF16 -> out.putShort(Bfloat16.of(value));
                default -> out.putFloat(value);
            }
        }
        return out.array();
    }

    /// Returns what the stored bytes of some values stand for.
    public float[] rounded(float[] values) {
        ByteBuffer stored = ByteBuffer.wrap(encode(values)).order(ByteOrder.LITTLE_ENDIAN);
        float[] rounded = new float[values.length];
        for (int i = 0; i < rounded.length; i++) {
            rounded[i] =
                    switch (type) {
                        case F16 -> Float.float16ToFloat(stored.getShort());
                        case BF16 -> Float.intBitsToFloat(stored.getShort() << 16);
                        default -> stored.getFloat();
                    };
        }
        return rounded;
    }
}
