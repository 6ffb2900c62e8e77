package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Activations;

/// A linear layer whose inputs are cut over the ranks: each rank's product is a part of a sum. It
/// owns the sum, together with the residual add and the norm that follow it.
public record RowParallelLinear(Kernels kernels, PackedWeight weight) {

    /// `residual += Σ x · weightᵀ over ranks`, then `out = next(residual)`.
    ///
    /// @param x `[T, inputs of this rank]`
    /// @param residual `[T, H]`
    /// @param out `[T, H]`
    public void addThenNorm(
            Tensor x, Tensor residual, RmsNorm next, Tensor out, Activations activations) {
        Tensor partial = activations.partial(x.rows());
        kernels.matmul(x, weight, partial);
        activations
                .communicator()
                .allReduceAddRmsNorm(partial, residual, next.weight(), next.epsilon(), out);
    }
}
