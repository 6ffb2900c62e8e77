package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.Communicator;

/// A linear layer whose inputs are cut over the ranks: each rank's product is a part of a sum. It owns the sum,
/// together with the residual add and the norm that follow it.
public record RowParallelLinear(Kernels kernels, Communicator communicator, PackedWeight weight) {

    /// `residual += Σ x · weightᵀ over ranks`, then `out = next(residual)`.
    ///
    /// @param x `[T, inputs of this rank]`
    /// @param partial `[T, H]` in the communicator's memory
    /// @param residual `[T, H]`
    /// @param out `[T, H]`
    public void addThenNorm(Tensor x, Tensor partial, Tensor residual, RmsNorm next, Tensor out) {
        kernels.matmul(x, weight, partial);
        communicator.allReduceAddRmsNorm(
                partial, residual, next.weight(), next.epsilon(), out);
    }
}
