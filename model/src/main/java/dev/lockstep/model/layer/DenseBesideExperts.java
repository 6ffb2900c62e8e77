// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import dev.lockstep.nccl.Communicator;
import java.util.Optional;

/// A feed-forward and a mixture of experts side by side, each with norms of its own (Gemma 4 2026),
/// and both summed over the ranks before their outputs are normed:
///
/// ```
/// x      = norm(residual) ⊙ scale / √H
/// out    = norm(feedForward(norm(residual))) + norm(experts(norm(residual), router(x)))
/// ```
public record DenseBesideExperts(
        MixtureOfExperts experts,
        Norm.Rms expertInput,
        Norm.Rms expertOutput,
        FeedForward.Gated dense,
        Norm.Rms denseInput,
        Norm.Rms denseOutput)
        implements FeedForward {

    /// Loads the branch of a layer, `mlp`, `router`, `experts` and the norms of their inputs and
    /// outputs, without the norm of their sum.
    public static ResidualBranch branch(Weights weights, String layer) {
        int hidden = weights.config().hiddenSize();
        int width = weights.config().details().experts().orElseThrow().sharedSize();
        String router = layer + ".router";
        float[] scale = weights.values(router + ".scale", hidden, new Span(0, hidden));
        for (int i = 0; i < hidden; i++) {
            scale[i] = (float) (scale[i] / Math.sqrt(hidden));
        }
        var routerNorm =
                new Norm.Rms(
                        weights.kernels(),
                        weights.vector(scale),
                        (float) weights.config().normEpsilon());
        Router factored =
                Router.withFactors(weights, router + ".proj", router + ".per_expert_scale");
        return ResidualBranch.of(
                routerNorm,
                new DenseBesideExperts(
                        MixtureOfExperts.load(
                                weights,
                                factored,
                                ExpertSource.mergedOrSeparate(weights, layer + ".experts")),
                        Norm.rms(weights, layer + ".pre_feedforward_layernorm_2"),
                        Norm.rms(weights, layer + ".post_feedforward_layernorm_2"),
                        FeedForward.gated(weights, layer + ".mlp", width),
                        Norm.rms(weights, layer + ".pre_feedforward_layernorm"),
                        Norm.rms(weights, layer + ".post_feedforward_layernorm_1")));
    }

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Communicator communicator = activations.communicator();
        experts.route(step);
        expertInput.apply(step.residual(), step.x());
        Tensor ofExperts = experts.compute(step);
        communicator.allReduceSum(ofExperts);
        Tensor kept = activations.expertOutput(step.tokens());
        expertOutput.apply(ofExperts, kept);
        denseInput.apply(step.residual(), step.x());
        Tensor sum = dense.forward(step);
        communicator.allReduceSum(sum);
        denseOutput.apply(sum, sum);
        dense.kernels().add(sum, kept);
        return sum;
    }

    @Override
    public boolean isSummed() {
        return true;
    }

    @Override
    public Optional<Tensor> bias() {
        return Optional.empty();
    }
}
