// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.WeightMatrix;
import java.util.List;
import java.util.stream.IntStream;

/// Rows of a stored matrix in any order: outputs whose places in the file are not those of the
/// layer.
public record ChosenRows(WeightMatrix matrix, int[] rows) {

    /// Returns the matrix and its rows without the bias.
    static ChosenRows of(OutputRows outputs) {
        return new ChosenRows(outputs.matrix(), outputs.rows().numbers());
    }

    /// Returns the rows of some spans, one span after the other.
    public static ChosenRows of(WeightMatrix matrix, List<Span> spans) {
        return new ChosenRows(
                matrix,
                spans.stream().flatMapToInt(span -> IntStream.of(span.numbers())).toArray());
    }
}
