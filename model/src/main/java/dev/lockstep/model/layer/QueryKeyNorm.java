package dev.lockstep.model.layer;

import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;

/// Norms queries and keys before they are turned.
public interface QueryKeyNorm {

    /// In place.
    ///
    /// @param queries `[T, query columns of this rank]`
    /// @param keys `[T, key columns of this rank]`
    void apply(Tensor queries, Tensor keys, ActivationBuffers activations);
}
