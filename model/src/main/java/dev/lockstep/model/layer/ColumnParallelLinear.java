package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import java.util.Optional;

/// A linear layer whose outputs are cut over the ranks: nothing to sum.
public record ColumnParallelLinear(Kernels kernels, PackedWeight weight, Optional<Tensor> bias) {

    /// `out = x · weightᵀ + bias`.
    ///
    /// @param x `[T, inputs]`
    /// @param out `[T, outputs of this rank]`
    public void forward(Tensor x, Tensor out) {
        kernels.matmul(x, weight, out);
        bias.ifPresent(values -> kernels.add(out, values));
    }
}
