package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;

/// Layer norm with weight and bias (Ba et al. 2016).
public record LayerNorm(Kernels kernels, Tensor weight, Tensor bias, float epsilon)
        implements Norm {

    @Override
    public void apply(Tensor x, Tensor out) {
        kernels.layerNorm(x, weight, bias, epsilon, out);
    }

    @Override
    public void addThenApply(Tensor x, Tensor residual, Tensor out) {
        kernels.add(residual, x);
        kernels.layerNorm(residual, weight, bias, epsilon, out);
    }
}
