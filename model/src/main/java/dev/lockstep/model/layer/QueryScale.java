// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// A factor of the queries that grows with their position:
/// [dev.lockstep.checkpoint.PositionConfig.QueryScale].
///
/// @param factors one for each position, `[1, positions]`
public record QueryScale(Kernels kernels, Tensor factors) {

    /// Returns the factors of a model, for all its layers; empty if the configuration has none.
    public static Optional<QueryScale> load(Weights weights) {
        return weights.config()
                .details()
                .positions()
                .queryScale()
                .map(scale -> new QueryScale(weights.kernels(), weights.positionValues(scale::at)));
    }

    /// Multiplies each token's queries in place. A rotation keeps the factor, so it may follow.
    ///
    /// @param queries `[T, query columns of this rank]`
    /// @param positions `[1, T]` I32
    void apply(Tensor queries, Tensor positions) {
        kernels.scaleRows(queries, factors, positions);
    }
}
