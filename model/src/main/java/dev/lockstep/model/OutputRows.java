package dev.lockstep.model;

import dev.lockstep.checkpoint.WeightSlice;
import java.util.Optional;

/// Some outputs of a linear layer: rows of its matrix and of its bias.
///
/// @param rows rows of both
public record OutputRows(WeightSlice matrix, Optional<WeightSlice> bias, Span rows) {

    /// Other outputs of the same layer, counted in the whole matrix.
    public OutputRows at(Span other) {
        return new OutputRows(matrix, bias, other);
    }
}
