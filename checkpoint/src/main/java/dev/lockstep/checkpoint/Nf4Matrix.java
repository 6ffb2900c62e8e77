// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;

/// A matrix of NF4 or FP4 that keeps its codes; factors that are quantized themselves become f32.
/// Its elements are those of the plain matrix, which is rounded to bf16.
///
/// @param plain the same matrix, decoded
/// @param type NF4 or FP4, which has other values and equal blocks
/// @param codes of the whole matrix, two in a byte, the first in the upper half
record Nf4Matrix(QuantizedMatrix plain, TensorType type, MemorySegment codes)
        implements WeightDecoder {
    private static final int BLOCK = TensorType.NF4.blockSize();

    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Returns the type whose codes have these values, bit by bit.
    static Optional<TensorType> typeOf(float[] values) {
        if (Arrays.equals(values, CodeValues.normal4())) {
            return Optional.of(TensorType.NF4);
        }
        return Arrays.equals(values, CodeValues.float4())
                ? Optional.of(TensorType.FP4)
                : Optional.empty();
    }

    /// Returns the tensor of a matrix, which keeps its codes if its rows are whole blocks with one
    /// factor each and the plain matrix is one of bf16.
    ///
    /// @param factorSize values that share a factor
    static StoredTensor tensor(StoredTensor codes, Nf4Matrix matrix, int factorSize) {
        QuantizedMatrix plain = matrix.plain();
        boolean inBlocks = plain.columns() % BLOCK == 0 && factorSize % BLOCK == 0;
        return plain.type() == TensorType.BF16 && inBlocks
                ? LayerParts.tensor(codes, plain, matrix.type(), matrix)
                : LayerParts.tensor(codes, plain);
    }

    @Override
    public Optional<Plain> inPlainType() {
        return Optional.of(new Plain(plain.type(), plain));
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        float[] factor = new float[1];
        long at = offset;
        for (int column = from; column < to; column += BLOCK) {
            plain.scales().read(row, column, factor);
            target.set(FLOAT, at, factor[0]);
            at += Float.BYTES;
            long first = ((long) row * plain.columns() + column) / 2;
            for (int i = 0; i < BLOCK / 2; i++) {
                int pair = codes.get(ValueLayout.JAVA_BYTE, first + i) & 255;
                target.set(ValueLayout.JAVA_BYTE, at + i, (byte) (pair >> 4 | pair << 4));
            }
            at += BLOCK / 2;
        }
    }
}
