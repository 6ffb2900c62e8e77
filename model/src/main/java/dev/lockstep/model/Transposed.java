// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.TransposedRows;
import dev.lockstep.checkpoint.WeightMatrix;
import java.util.Optional;

/// A stored matrix of plain values, read as its transposed one: a row is copied when it is packed.
final class Transposed {
    private Transposed() {}

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
                Optional.of(new TransposedRows(matrix)));
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
