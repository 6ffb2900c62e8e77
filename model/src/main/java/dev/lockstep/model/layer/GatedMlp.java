package dev.lockstep.model.layer;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Activations;

/// `down(silu(gate(x)) · up(x))`: gate and up are one weight cut by columns, down is cut by its
/// inputs.
///
/// @param gateUp this rank's gate rows, then its up rows
public record GatedMlp(Kernels kernels, PackedWeight gateUp, RowParallelLinear down) {

    /// Adds the layer to the residual and norms it for the next: `x` holds this layer's input, then
    /// the next one's.
    public void forward(Tensor x, Tensor residual, RmsNorm next, Activations activations) {
        int tokens = x.rows();
        Tensor both = activations.gateUp(tokens);
        Tensor product = activations.feedForward(tokens);
        kernels.matmul(x, gateUp, both);
        kernels.activateMultiply(Activation.SILU, both, product);
        down.addThenNorm(product, residual, next, x, activations);
    }
}
