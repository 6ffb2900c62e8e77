package dev.lockstep.model.layer;

import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.Communicator;

/// What stands before a layer; whole on every rank. All tensors `[T, H]`.
public interface Norm {

    /// `out = norm(x)`; `out` may be `x`.
    void apply(Tensor x, Tensor out);

    /// `residual += x`, then `out = norm(residual)`; `out` may be `x`.
    void addThenApply(Tensor x, Tensor residual, Tensor out);

    /// `residual += Σ x over ranks`, then `out = norm(residual)`.
    ///
    /// @param x in the communicator's memory; left undefined
    default void sumThenApply(Communicator communicator, Tensor x, Tensor residual, Tensor out) {
        communicator.allReduceSum(x);
        addThenApply(x, residual, out);
    }
}
