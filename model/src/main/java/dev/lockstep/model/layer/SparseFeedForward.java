// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.util.Optional;

/// A gated feed-forward most of whose gates are zero (Gemma 3n 2025): those that are not above a
/// number of standard deviations of the gates of all ranks, as if they were normally distributed:
///
/// ```
/// out = down(activation(max(0, gate − mean − deviations · σ)) · up(x))
/// ```
///
/// @param width columns of all ranks
public record SparseFeedForward(FeedForward.Gated gated, int width, float deviations)
        implements FeedForward {

    /// Creates a feed-forward whose gates become zero below a number of standard deviations above
    /// their mean; −∞ keeps all.
    public static FeedForward of(FeedForward.Gated gated, int width, double deviations) {
        return deviations == Double.NEGATIVE_INFINITY
                ? gated
                : new SparseFeedForward(gated, width, (float) deviations);
    }

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Kernels kernels = gated.kernels();
        int columns = gated.down().weight().columns();
        Tensor both = activations.gateUp(step.tokens(), columns);
        Tensor product = activations.feedForward(step.tokens(), columns);
        gated.gateUp().forward(step.x(), both);
        Tensor gates = both.columns(0, columns);
        Tensor moments = activations.squareSums(step.tokens());
        kernels.moments(gates, moments);
        activations.communicator().allReduceSum(moments);
        kernels.keepAbove(gates, moments, width, deviations);
        kernels.activateMultiply(gated.activation(), both, product);
        return gated.down().forward(product, activations);
    }

    @Override
    public Optional<Tensor> bias() {
        return gated.bias();
    }
}
