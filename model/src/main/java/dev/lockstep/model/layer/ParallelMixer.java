// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ParallelFactors;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.util.Optional;

/// Attention and Mamba-2 side by side on one input (Falcon-H1 2025):
///
/// ```
/// out = factor · mamba(x) + factor · attention(factor · x)
/// ```
public record ParallelMixer(
        Kernels kernels, Mamba2 mamba, SelfAttention attention, ParallelFactors factors)
        implements ResidualBranch.Sublayer {

    @Override
    public Tensor forward(ForwardStep step) {
        Tensor partial = mamba.forward(step);
        // Mamba's memory is free again; attention needs none of it.
        Tensor kept = step.activations().mixer(step.tokens()).columns(0, partial.columns());
        kernels.copy(partial, kept);
        kernels.scale(kept, (float) factors.stateOut());
        Tensor sum = attention.forward(step);
        // Values are not multiplied before: the sum of their products is.
        kernels.scale(sum, (float) (factors.attentionIn() * factors.attentionOut()));
        kernels.add(sum, kept);
        return sum;
    }

    @Override
    public Optional<Tensor> bias() {
        return Optional.empty();
    }
}
