package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.util.Optional;

/// A linear layer whose inputs are cut over the ranks: each rank's product is a part of a sum.
public record RowParallelLinear(Kernels kernels, PackedWeight weight, Optional<Tensor> bias) {

    /// This rank's part of the sum, in memory that can be summed; the bias comes after the sum.
    ///
    /// @param x `[T, inputs of this rank]`
    public Tensor part(Tensor x, ActivationBuffers activations) {
        Tensor partial = activations.partial(x.rows());
        kernels.matmul(x, weight, partial);
        return partial;
    }
}
