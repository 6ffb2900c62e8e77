// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/// A quantized matrix whose blocks of 32 are those of a type that kernels read: codes and scales
/// are kept, no weight is rounded.
///
/// Q4_0 and Q8_0 have f16 scales; where a scale of the matrix is no f16, or a zero point is not in
/// the middle, the matrix is decoded instead.
///
/// @param plain the same matrix, decoded
/// @param type Q4_0, Q8_0 or MXFP4
/// @param group columns of a scale, a multiple of 32
/// @param scales one for each group
/// @param zeros one for each group; all equal to `middle` in a matrix that can be repacked
record RepackedMatrix(
        QuantizedMatrix plain,
        TensorType type,
        int group,
        RowReader scales,
        Optional<RowReader> zeros,
        int middle)
        implements WeightDecoder {
    /// Rows whose scales tell whether a matrix will probably be decoded.
    static final int SAMPLED_ROWS = 16;

    private static final int BLOCK = 32;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// The codes of the magnitudes of E2M1, by twice the magnitude.
    private static final int[] E2M1_CODES = {0, 1, 2, 3, 4, 0, 5, 0, 6, 0, 0, 0, 7};

    /// Returns the tensor of a matrix, repacked if its groups are whole blocks.
    static StoredTensor tensor(StoredTensor codes, RepackedMatrix matrix) {
        if (matrix.group() % BLOCK != 0 || matrix.plain().columns() % BLOCK != 0) {
            return LayerParts.tensor(codes, matrix.plain());
        }
        QuantizedMatrix plain = matrix.plain();
        return LayerParts.tensor(codes, plain, matrix.type(), matrix);
    }

    @Override
    public Optional<Plain> fallback() {
        return fallback(plain.rows());
    }

    @Override
    public Optional<Plain> expectedFallback() {
        return fallback(Math.min(plain.rows(), SAMPLED_ROWS));
    }

    private Optional<Plain> fallback(int rows) {
        return type == TensorType.MXFP4 || isExact(rows) ? Optional.empty() : inPlainType();
    }

    @Override
    public Optional<Plain> inPlainType() {
        return Optional.of(new Plain(plain.type(), plain));
    }

    private boolean isExact(int rows) {
        float[] values = new float[Math.ceilDiv(plain.columns(), group)];
        for (int row = 0; row < rows; row++) {
            scales.read(row, 0, values);
            for (float scale : values) {
                if (Float.float16ToFloat(Float.floatToFloat16(scale)) != scale) {
                    return false;
                }
            }
            if (zeros.isPresent()) {
                zeros.get().read(row, 0, values);
                for (float zero : values) {
                    if (zero != middle) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        float[] values = new float[BLOCK];
        float[] scale = new float[1];
        long at = offset;
        for (int column = from; column < to; column += BLOCK) {
            plain.codes().read(row, column, values);
            scales.read(row, column / group, scale);
            switch (type) {
                case Q4_0 -> {
                    target.set(SHORT, at, Float.floatToFloat16(scale[0]));
                    int shift = zeros.isPresent() ? 0 : 8;
                    nibbles(target, at + 2, values, value -> (int) value + shift);
                }
                case Q8_0 -> {
                    target.set(SHORT, at, Float.floatToFloat16(scale[0]));
                    int shift = zeros.isPresent() ? middle : 0;
                    for (int i = 0; i < BLOCK; i++) {
                        target.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) (values[i] - shift));
                    }
                }
                case MXFP4 -> {
                    target.set(ValueLayout.JAVA_BYTE, at, (byte) exponent(scale[0]));
                    nibbles(target, at + 1, values, RepackedMatrix::e2m1);
                }
                default -> throw new IllegalArgumentException("nothing is repacked to " + type);
            }
            at += type.blockBytes();
        }
    }

    private interface Code {
        int of(float value);
    }

    /// Columns c and c + 16 share a byte.
    private static void nibbles(MemorySegment target, long at, float[] values, Code code) {
        for (int c = 0; c < BLOCK / 2; c++) {
            int both = code.of(values[c]) | (code.of(values[c + BLOCK / 2]) << 4);
            target.set(ValueLayout.JAVA_BYTE, at + c, (byte) both);
        }
    }

    private static int exponent(float powerOfTwo) {
        return Float.isNaN(powerOfTwo) ? 255 : Math.getExponent(powerOfTwo) + 127;
    }

    private static int e2m1(float value) {
        int sign = (Float.floatToRawIntBits(value) >>> 28) & 8;
        return sign | E2M1_CODES[(int) Math.abs(2 * value)];
    }
}
