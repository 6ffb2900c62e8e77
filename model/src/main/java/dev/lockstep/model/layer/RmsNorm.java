package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;

/// Root-mean-square norm with a weight; whole on every rank.
public record RmsNorm(Kernels kernels, Tensor weight, float epsilon) {

    /// Norms every row of `x`, which may be `out`.
    ///
    /// @param x `[T, H]`
    /// @param out `[T, H]`, may be `x`
    public void apply(Tensor x, Tensor out) {
        kernels.rmsNorm(x, weight, epsilon, out);
    }
}
