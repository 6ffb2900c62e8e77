package dev.lockstep.model.layer;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;

/// `down(activation(gate(x)) · up(x))`: gate and up are one weight cut by columns, down is cut by
/// its inputs.
///
/// @param gateUp this rank's gate rows, then its up rows
public record GatedMlp(
        Kernels kernels,
        Activation activation,
        ColumnParallelLinear gateUp,
        RowParallelLinear down,
        ResidualBranch branch)
        implements FeedForward {

    @Override
    public void forward(ForwardStep step, Norm next) {
        ActivationBuffers activations = step.activations();
        Tensor both = activations.gateUp(step.tokens());
        Tensor product = activations.feedForward(step.tokens());
        gateUp.forward(step.x(), both);
        kernels.activateMultiply(activation, both, product);
        Tensor part = down.part(product, activations);
        branch.addThenNorm(part, step.residual(), next, step.x(), activations);
    }
}
