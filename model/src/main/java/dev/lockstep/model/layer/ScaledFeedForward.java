// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.util.Optional;

/// A gated feed-forward whose gate has a factor: `down(activation(factor · gate(x)) · up(x))`.
public record ScaledFeedForward(FeedForward.Gated gated, float factor) implements FeedForward {

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int columns = gated.down().weight().columns();
        Tensor both = activations.gateUp(step.tokens(), columns);
        Tensor product = activations.feedForward(step.tokens(), columns);
        gated.gateUp().forward(step.x(), both);
        gated.kernels().scale(both.columns(0, product.columns()), factor);
        gated.kernels().activateMultiply(gated.activation(), both, product);
        return gated.down().forward(product, activations);
    }

    @Override
    public Optional<Tensor> bias() {
        return gated.bias();
    }
}
