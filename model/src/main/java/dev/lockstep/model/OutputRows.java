// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import java.util.Optional;

/// Some outputs of a stored linear layer: rows of its matrix and of its bias.
///
/// @param rows rows of both
public record OutputRows(WeightMatrix matrix, Optional<WeightMatrix> bias, Span rows) {

    public OutputRows {
        if (rows.to() > matrix.rows()) {
            throw new IllegalArgumentException(
                    "%s: rows [%d, %d) of %d"
                            .formatted(matrix.name(), rows.from(), rows.to(), matrix.rows()));
        }
    }

    /// Returns all rows of a matrix without a bias.
    public static OutputRows of(WeightMatrix matrix) {
        return new OutputRows(matrix, Optional.empty(), new Span(0, matrix.rows()));
    }

    /// Returns rows that are stored for a rope of adjacent pairs, in the order of rotate-half.
    public OutputRows inPairs(int headSize) {
        return inPairs(headSize, 0);
    }

    /// Returns rows whose heads are stored for a rope of adjacent pairs from a row on, in the order
    /// of rotate-half.
    public OutputRows inPairs(int headSize, int from) {
        var order = new RowOrder.AdjacentPairs(headSize, from, headSize - from);
        return new OutputRows(ordered(matrix, order), bias.map(b -> ordered(b, order)), rows);
    }

    private static WeightMatrix ordered(WeightMatrix stored, RowOrder order) {
        return new WeightMatrix(
                stored.name(),
                stored.type(),
                stored.rows(),
                stored.columns(),
                order,
                stored.data());
    }

    /// Returns some of these rows, counted from the first of them.
    public OutputRows cut(Span some) {
        Span own = some.plus(rows.from());
        if (own.to() > rows.to()) {
            throw new IllegalArgumentException(
                    "%s: rows [%d, %d) of %d"
                            .formatted(matrix.name(), some.from(), some.to(), rows.size()));
        }
        return new OutputRows(matrix, bias, own);
    }
}
