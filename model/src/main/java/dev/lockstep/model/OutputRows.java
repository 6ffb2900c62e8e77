// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import java.util.Optional;

/// Some outputs of a stored linear layer: rows of its matrix and of its bias, both in the order of
/// the matrix.
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
        return ordered(new RowOrder.AdjacentPairs(headSize, from, headSize - from));
    }

    /// Returns these rows in another order, in which the stored ones follow.
    public OutputRows ordered(RowOrder order) {
        if (order instanceof RowOrder.AsIs) {
            return this;
        }
        return new OutputRows(matrix.ordered(order), bias.map(each -> each.ordered(order)), rows);
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
