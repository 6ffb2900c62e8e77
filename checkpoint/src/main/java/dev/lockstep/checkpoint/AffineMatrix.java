// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.stream.IntStream;

/// A matrix of integers with zero points or offsets whose groups are whole blocks of a type that
/// kernels read: codes, scales and zero points or offsets are kept, no weight is rounded.
///
/// The blocks have f16 scales and offsets; where one of the matrix is no f16, it is decoded
/// instead.
///
/// @param plain the same matrix, decoded
/// @param type Q4_1, Q4_OFFSET, Q8_OFFSET, or one of [#zeroType]
/// @param least the value of the code 0 in `plain`
record AffineMatrix(QuantizedMatrix plain, TensorType type, int least) implements WeightDecoder {
    private static final int SUB_BLOCK = 32;
    private static final int HEADER_BYTES = 4;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Returns the tensor of a matrix, repacked if its groups are whole blocks and its scales may
    /// be f16.
    ///
    /// @param group columns of a scale
    static StoredTensor tensor(StoredTensor codes, AffineMatrix matrix, int group) {
        QuantizedMatrix plain = matrix.plain();
        int block = matrix.type().blockSize();
        if (plain.type() == TensorType.F32 || group % block != 0 || plain.columns() % block != 0) {
            return LayerParts.tensor(codes, plain);
        }
        return LayerParts.tensor(codes, plain, matrix.type(), matrix);
    }

    /// Returns whether a matrix of symmetric integers is smaller with its zero points than in a
    /// type without, whose blocks have more scales.
    ///
    /// @param group columns of a scale
    static boolean replaces(QuantizedMatrix matrix, int bits, int group) {
        return matrix.type() != TensorType.F32 && hasFewScales(bits, group, matrix.columns());
    }

    /// Returns whether integers of 4 bits have so few scales that a scale for 64 columns would be a
    /// tenth more than the file, and are whole blocks of a type with fewer.
    private static boolean hasFewScales(int bits, int group, int columns) {
        int block = TensorType.Q4_ZERO_128.blockSize();
        return bits == 4 && group > block && group % block == 0 && columns % block == 0;
    }

    /// Returns the type of integers with zero points whose blocks are as large as groups, or
    /// smaller.
    ///
    /// @param bits 4 or 8
    /// @param group columns of a scale
    static TensorType zeroType(int bits, int group, int columns) {
        if (hasFewScales(bits, group, columns)) {
            return TensorType.Q4_ZERO_128;
        }
        boolean wide = group % TensorType.Q4_ZERO.blockSize() == 0;
        return bits == 4
                ? wide ? TensorType.Q4_ZERO : TensorType.Q4_ZERO_32
                : wide ? TensorType.Q8_ZERO : TensorType.Q8_ZERO_32;
    }

    @Override
    public Optional<Plain> fallback() {
        return fallback(plain.rows());
    }

    @Override
    public Optional<Plain> expectedFallback() {
        return fallback(Math.min(plain.rows(), RepackedMatrix.SAMPLED_ROWS));
    }

    private Optional<Plain> fallback(int rows) {
        return isExact(rows) ? Optional.empty() : inPlainType();
    }

    @Override
    public Optional<Plain> inPlainType() {
        return Optional.of(new Plain(plain.type(), plain));
    }

    private boolean isExact(int rows) {
        return IntStream.range(0, rows).parallel().allMatch(this::isExactRow);
    }

    private boolean isExactRow(int row) {
        float[] scale = new float[1];
        float[] minimum = new float[1];
        boolean exact = true;
        for (int column = 0; exact && column < plain.columns(); column += type.blockSize()) {
            plain.scales().read(row, column, scale);
            readMinimum(row, column, minimum);
            exact = isHalf(scale[0]) && isHalf(minimum[0]);
        }
        return exact;
    }

    private static boolean isHalf(float value) {
        return Float.float16ToFloat(Float.floatToFloat16(value)) == value;
    }

    /// Reads the offset, or the zero point, as a code: that of the value 0 where there is none.
    private void readMinimum(int row, int column, float[] value) {
        if (plain.offsets().isPresent()) {
            plain.offsets().get().read(row, column, value);
            return;
        }
        value[0] = 0;
        plain.zeros().ifPresent(zeros -> zeros.read(row, column, value));
        value[0] -= least;
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        float[] codes = new float[type.blockSize()];
        float[] value = new float[1];
        long at = offset;
        for (int column = from; column < to; column += codes.length) {
            plain.scales().read(row, column, value);
            target.set(SHORT, at, Float.floatToFloat16(value[0]));
            readMinimum(row, column, value);
            target.set(SHORT, at + 2, Float.floatToFloat16(value[0]));
            plain.codes().read(row, column, codes);
            boolean nibbles = type.blockBytes() - HEADER_BYTES < codes.length;
            if (nibbles) {
                nibbles(codes, target, at + HEADER_BYTES);
            } else {
                bytes(codes, target, at + HEADER_BYTES);
            }
            at += type.blockBytes();
        }
    }

    private void bytes(float[] codes, MemorySegment target, long at) {
        for (int i = 0; i < codes.length; i++) {
            target.set(ValueLayout.JAVA_BYTE, at + i, (byte) code(codes[i]));
        }
    }

    /// Columns c and c + 16 of 32 share a byte.
    private void nibbles(float[] codes, MemorySegment target, long at) {
        int half = SUB_BLOCK / 2;
        for (int i = 0; i < codes.length / 2; i++) {
            int column = i / half * SUB_BLOCK + i % half;
            int both = code(codes[column]) | (code(codes[column + half]) << 4);
            target.set(ValueLayout.JAVA_BYTE, at + i, (byte) both);
        }
    }

    private int code(float value) {
        return (int) value - least;
    }
}
