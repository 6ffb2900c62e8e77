// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/// A quantized matrix: w = (code − zero) · scale, or code · scale + offset, computed in f32; the
/// product and the sum are rounded to `type`, in which the format's reference computes them.
///
/// The readers know how a format stores codes and groups; each returns a value for every element.
///
/// @param type F32, F16 or BF16
/// @param format for display, such as `4 bits, groups of 128`
record QuantizedMatrix(
        int rows,
        int columns,
        RowReader codes,
        Optional<RowReader> zeros,
        RowReader scales,
        Optional<RowReader> offsets,
        TensorType type,
        String format)
        implements WeightDecoder {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    QuantizedMatrix {
        if (type.isQuantized()) {
            throw new IllegalArgumentException(type + " is not a plain type");
        }
    }

    /// Creates the matrix of codes that are multiplied by a scale.
    static QuantizedMatrix scaled(
            int rows,
            int columns,
            RowReader codes,
            RowReader scales,
            TensorType type,
            String format) {
        return new QuantizedMatrix(
                rows, columns, codes, Optional.empty(), scales, Optional.empty(), type, format);
    }

    /// Returns the values of columns `[from, to)`, before the last rounding to `type`.
    private float[] values(int row, int from, int to) {
        float[] values = new float[to - from];
        float[] other = new float[to - from];
        codes.read(row, from, values);
        if (zeros.isPresent()) {
            zeros.get().read(row, from, other);
            for (int i = 0; i < values.length; i++) {
                values[i] -= other[i];
            }
        }
        scales.read(row, from, other);
        for (int i = 0; i < values.length; i++) {
            values[i] *= other[i];
        }
        if (offsets.isPresent()) {
            offsets.get().read(row, from, other);
            for (int i = 0; i < values.length; i++) {
                values[i] = rounded(values[i]) + other[i];
            }
        }
        return values;
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        float[] values = values(row, from, to);
        for (int i = 0; i < values.length; i++) {
            switch (type) {
                case F32 -> target.set(FLOAT, offset + 4L * i, values[i]);
                case F16 -> target.set(SHORT, offset + 2L * i, Float.floatToFloat16(values[i]));
                default -> target.set(SHORT, offset + 2L * i, Bfloat16.of(values[i]));
            }
        }
    }

    private float rounded(float value) {
        return switch (type) {
            case F32 -> value;
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            default -> Float.intBitsToFloat(Bfloat16.of(value) << 16);
        };
    }
}
