package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.util.Optional;

/// How the output of attention or of a feed-forward joins the residual: summed over ranks, then
/// with its bias, its own norm and a factor, where a family has them.
///
/// @param norm of the branch alone, before it is added
/// @param multiplier 1 for none
public record ResidualBranch(
        Kernels kernels, Optional<Tensor> bias, Optional<RmsNorm> norm, float multiplier) {

    /// A branch that is added as it is, but for a bias.
    public static ResidualBranch plain(RowParallelLinear linear) {
        return new ResidualBranch(linear.kernels(), linear.bias(), Optional.empty(), 1);
    }

    /// A branch that is added as it is.
    public static ResidualBranch plain(Kernels kernels) {
        return new ResidualBranch(kernels, Optional.empty(), Optional.empty(), 1);
    }

    /// The same with a norm of its own.
    public ResidualBranch with(RmsNorm own) {
        return new ResidualBranch(kernels, bias, Optional.of(own), multiplier);
    }

    /// The same times a factor.
    public ResidualBranch times(double factor) {
        return new ResidualBranch(kernels, bias, norm, (float) factor);
    }

    /// Adds the branch to the residual and norms it for the next layer.
    ///
    /// @param part this rank's part of the sum, in the communicator's memory
    /// @param out the next layer's input
    public void addThenNorm(
            Tensor part, Tensor residual, Norm next, Tensor out, ActivationBuffers activations) {
        if (bias.isEmpty() && norm.isEmpty() && multiplier == 1) {
            next.sumThenApply(activations.communicator(), part, residual, out);
            return;
        }
        activations.communicator().allReduceSum(part);
        bias.ifPresent(values -> kernels.add(part, values));
        norm.ifPresent(own -> own.apply(part, part));
        if (multiplier != 1) {
            kernels.scale(part, multiplier);
        }
        next.addThenApply(part, residual, out);
    }
}
