package dev.lockstep.model.layer;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;

/// `down(activation(up(x)))`: up is cut by columns, down by its inputs.
public record Mlp(
        Kernels kernels,
        Activation activation,
        ColumnParallelLinear up,
        RowParallelLinear down,
        ResidualBranch branch)
        implements FeedForward {

    @Override
    public void forward(ForwardStep step, Norm next) {
        ActivationBuffers activations = step.activations();
        Tensor inner = activations.feedForward(step.tokens());
        up.forward(step.x(), inner);
        kernels.activate(activation, inner, inner);
        Tensor part = down.part(inner, activations);
        branch.addThenNorm(part, step.residual(), next, step.x(), activations);
    }
}
