package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.Communicator;

/// Root-mean-square norm with a weight (Zhang and Sennrich 2019).
public record RmsNorm(Kernels kernels, Tensor weight, float epsilon) implements Norm {

    @Override
    public void apply(Tensor x, Tensor out) {
        kernels.rmsNorm(x, weight, epsilon, out);
    }

    @Override
    public void addThenApply(Tensor x, Tensor residual, Tensor out) {
        kernels.addRmsNorm(x, residual, weight, epsilon, out);
    }

    /// Sum, addition and norm in one collective.
    @Override
    public void sumThenApply(Communicator communicator, Tensor x, Tensor residual, Tensor out) {
        communicator.allReduceAddRmsNorm(x, residual, weight, epsilon, out);
    }
}
