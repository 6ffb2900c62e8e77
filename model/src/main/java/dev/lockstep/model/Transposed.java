// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightDecoder;
import dev.lockstep.checkpoint.WeightMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// A stored matrix of plain values, read as its transposed one: a row is copied when it is packed.
record Transposed(WeightMatrix stored) implements WeightDecoder {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    static WeightMatrix of(WeightMatrix matrix) {
        requirePlain(matrix);
        return shape(matrix);
    }

    /// Returns the transposed matrix to check its shape: its rows are not read if a matrix has a
    /// decoder.
    static WeightMatrix shape(WeightMatrix matrix) {
        requirePlainType(matrix);
        return new WeightMatrix(
                matrix.name(),
                matrix.type(),
                matrix.columns(),
                matrix.rows(),
                new RowOrder.AsIs(),
                matrix.data(),
                Optional.of(new Transposed(matrix)));
    }

    /// Copies what the stored matrix has in a column.
    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        MemorySegment data = stored.data();
        long columns = stored.columns();
        long width = stored.type().blockBytes();
        for (int i = from; i < to; i++) {
            long source = (stored.storedRow(i) * columns + row) * width;
            long at = offset + (i - from) * width;
            if (width == Short.BYTES) {
                target.set(SHORT, at, data.get(SHORT, source));
            } else {
                target.set(INT, at, data.get(INT, source));
            }
        }
    }

    private static void requirePlain(WeightMatrix matrix) {
        if (matrix.decoder().isPresent()) {
            throw new CheckpointException(
                    "tensor %s is quantized and would have to be transposed; only plain types can"
                            .formatted(matrix.name()));
        }
    }

    private static void requirePlainType(WeightMatrix matrix) {
        if (matrix.type().isQuantized()) {
            throw new CheckpointException(
                    "tensor %s has type %s and would have to be transposed; only plain types can"
                            .formatted(matrix.name(), matrix.type()));
        }
    }
}
