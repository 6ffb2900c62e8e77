// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Transposes a stored matrix of plain values.
final class Transposed {
    private Transposed() {}

    /// Returns the shape of the transposed matrix with the stored values, to check it.
    static WeightMatrix shape(WeightMatrix matrix) {
        requirePlain(matrix);
        return new WeightMatrix(
                matrix.name(),
                matrix.type(),
                matrix.columns(),
                matrix.rows(),
                new RowOrder.AsIs(),
                matrix.data());
    }

    static WeightMatrix of(WeightMatrix matrix) {
        requirePlain(matrix);
        int width = matrix.type().blockBytes();
        int rows = matrix.rows();
        int columns = matrix.columns();
        MemorySegment from = matrix.data();
        MemorySegment transposed = Arena.ofAuto().allocate((long) rows * columns * width, 64);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                MemorySegment.copy(
                        from,
                        ((long) row * columns + column) * width,
                        transposed,
                        ((long) column * rows + row) * width,
                        width);
            }
        }
        return new WeightMatrix(
                matrix.name(), matrix.type(), columns, rows, new RowOrder.AsIs(), transposed);
    }

    private static void requirePlain(WeightMatrix matrix) {
        if (matrix.decoder().isPresent()) {
            throw new CheckpointException(
                    "tensor %s is quantized and would have to be transposed; only plain types can"
                            .formatted(matrix.name()));
        }
        if (matrix.type().isQuantized()) {
            throw new CheckpointException(
                    "tensor %s has type %s and would have to be transposed; only plain types can"
                            .formatted(matrix.name(), matrix.type()));
        }
    }
}
