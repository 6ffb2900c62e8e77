// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/// A matrix of FP8 that keeps its codes: blocks of E4M3 whose columns share a scale. Its elements
/// are those of the plain matrix, which is rounded to bf16.
///
/// @param plain the same matrix, decoded
/// @param codes as the file has them, a byte each
record CodedMatrix(QuantizedMatrix plain, MemorySegment codes) implements WeightDecoder {
    private static final TensorType TYPE = TensorType.E4M3;
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Returns the tensor of a matrix of bytes, which keeps its codes if each block has one scale
    /// and the plain matrix is one of bf16.
    ///
    /// @param group columns of a scale; a matrix of fewer has one for each row, or one
    static StoredTensor tensor(
            StoredTensor codes, QuantizedMatrix plain, int group, List<Long> shape) {
        int columns = plain.columns();
        boolean inBlocks = columns % TYPE.blockSize() == 0;
        boolean oneScale = group >= columns || group % TYPE.blockSize() == 0;
        if (plain.type() != TensorType.BF16 || !inBlocks || !oneScale) {
            return codes.decoded(plain.format(), plain.type(), shape, plain);
        }
        return codes.decoded(plain.format(), TYPE, shape, new CodedMatrix(plain, codes.data()));
    }

    @Override
    public Optional<Plain> inPlainType() {
        return Optional.of(new Plain(plain.type(), plain));
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        float[] scale = new float[1];
        long at = offset;
        for (int column = from; column < to; column += TYPE.blockSize()) {
            plain.scales().read(row, column, scale);
            target.set(FLOAT, at, scale[0]);
            long first = (long) row * plain.columns() + column;
            MemorySegment.copy(codes, first, target, at + Float.BYTES, TYPE.blockSize());
            at += TYPE.blockBytes();
        }
    }
}
