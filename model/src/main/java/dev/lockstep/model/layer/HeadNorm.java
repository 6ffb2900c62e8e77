package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;

/// Every head of q and k by itself.
///
/// @param query `[1, head size]`
public record HeadNorm(Kernels kernels, Tensor query, Tensor key, float epsilon)
        implements QueryKeyNorm {

    @Override
    public void apply(Tensor queries, Tensor keys, ActivationBuffers activations) {
        kernels.rmsNormHeads(queries, query, epsilon);
        kernels.rmsNormHeads(keys, key, epsilon);
    }
}
