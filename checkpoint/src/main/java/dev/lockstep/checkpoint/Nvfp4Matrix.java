// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/// A matrix of NVFP4 that keeps its codes and scales. Its elements are those of the plain matrix,
/// which is rounded to bf16.
///
/// @param plain the same matrix, decoded
/// @param codes two in a byte, the first in the lower half
/// @param scales E4M3, one for 16 columns
/// @param factor of the scales; negative where it divides them
record Nvfp4Matrix(QuantizedMatrix plain, MemorySegment codes, MemorySegment scales, float factor)
        implements WeightDecoder {
    private static final TensorType TYPE = TensorType.NVFP4;
    private static final int GROUP = 16;
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Returns the tensor of a matrix, which keeps its codes if its rows are whole blocks and the
    /// plain matrix is one of bf16.
    static StoredTensor tensor(StoredTensor codes, Nvfp4Matrix matrix) {
        QuantizedMatrix plain = matrix.plain();
        float magnitude = Math.abs(matrix.factor());
        boolean regular = magnitude > 0 && magnitude <= Float.MAX_VALUE;
        if (plain.type() != TensorType.BF16
                || plain.columns() % TYPE.blockSize() != 0
                || !regular) {
            return LayerParts.tensor(codes, plain);
        }
        return LayerParts.tensor(codes, plain, TYPE, matrix);
    }

    @Override
    public Optional<Plain> inPlainType() {
        return Optional.of(new Plain(plain.type(), plain));
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        int size = TYPE.blockSize();
        long at = offset;
        for (int column = from; column < to; column += size) {
            long first = (long) row * plain.columns() + column;
            target.set(FLOAT, at, factor);
            at += Float.BYTES;
            MemorySegment.copy(scales, first / GROUP, target, at, size / GROUP);
            at += size / GROUP;
            MemorySegment.copy(codes, first / 2, target, at, size / 2);
            at += size / 2;
        }
    }
}
