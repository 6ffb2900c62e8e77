// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ActivationNames;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Gated feed-forwards of which each token uses a few (Shazeer et al. 2017; Jiang et al. 2024), and
/// some that every token uses. Every rank holds a shard of every expert.
///
/// A token's experts are added in ascending order whatever else is in the batch, the shared ones
/// last.
public record MixtureOfExperts(
        Kernels kernels,
        Router router,
        ExpertSet experts,
        Optional<ExpertLatent> latent,
        Optional<SharedExpert> shared)
        implements FeedForward {

    @Override
    public Tensor forward(ForwardStep step) {
        route(step);
        return compute(step);
    }

    /// Writes the logits of the experts for `step.x()`.
    void route(ForwardStep step) {
        router.forward(step.x(), step.activations().routerLogits(step.tokens()));
    }

    /// Returns this rank's partial sum of the experts of `step.x()`, chosen by the logits of
    /// [#route].
    Tensor compute(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Tensor sum = activations.partial(step.tokens());
        if (latent.isEmpty()) {
            compute(step.x(), activations, sum);
        } else {
            int size = latent.get().down().rows();
            Tensor both = activations.expertLatents(step.tokens());
            Tensor input = both.columns(0, size);
            Tensor output = both.columns(size, 2 * size);
            kernels.matmul(step.x(), latent.get().down(), input);
            compute(input, activations, output);
            kernels.matmul(output, latent.get().up(), sum);
        }
        shared.ifPresent(each -> each.addTo(sum, step));
        return sum;
    }

    private void compute(Tensor input, ActivationBuffers activations, Tensor output) {
        kernels.experts(
                experts,
                input,
                activations.routerLogits(input.rows()),
                activations.expertScratch(experts.layer().columns(), input.columns()),
                output);
    }

    @Override
    public Optional<Tensor> bias() {
        return Optional.empty();
    }

    /// Loads a router and its experts, which have the configuration's activation.
    ///
    /// @param router the name of the router's matrix, without `.weight`
    public static MixtureOfExperts load(Weights weights, String router, ExpertSource source) {
        return load(weights, Router.load(weights, router), source);
    }

    /// Loads the experts of a router, which have the configuration's activation.
    public static MixtureOfExperts load(Weights weights, Router router, ExpertSource source) {
        return load(weights, router, source, ActivationNames.of(weights.config()));
    }

    /// Loads the experts of a router.
    public static MixtureOfExperts load(
            Weights weights, Router router, ExpertSource source, Activation activation) {
        return load(weights, router, source, activation, false);
    }

    /// Loads the experts of a router whose weights multiply the inputs of experts instead of their
    /// outputs.
    public static MixtureOfExperts ofWeightedInputs(
            Weights weights, Router router, ExpertSource source) {
        return load(weights, router, source, ActivationNames.of(weights.config()), true);
    }

    private static MixtureOfExperts load(
            Weights weights,
            Router router,
            ExpertSource source,
            Activation activation,
            boolean weighsInputs) {
        List<ExpertWeights> loaded = new ArrayList<>();
        for (int expert = 0; expert < weights.config().feedForwardsPerLayer(); expert++) {
            loaded.add(source.load(weights, expert));
        }
        var layer = new ExpertLayer(loaded, activation, router.routing(), weighsInputs);
        return new MixtureOfExperts(
                weights.kernels(),
                router,
                weights.kernels().prepareExperts(layer),
                Optional.empty(),
                Optional.empty());
    }

    /// Returns this mixture with the experts that every token uses, if the configuration has some.
    ///
    /// @param name the prefix of their tensors
    public MixtureOfExperts withShared(Weights weights, String name) {
        return SharedExpert.isConfigured(weights) ? with(SharedExpert.load(weights, name)) : this;
    }

    /// Returns this mixture with experts that every token uses.
    public MixtureOfExperts with(SharedExpert added) {
        return new MixtureOfExperts(kernels, router, experts, latent, Optional.of(added));
    }

    /// Returns this mixture with experts of a latent.
    public MixtureOfExperts with(ExpertLatent added) {
        return new MixtureOfExperts(kernels, router, experts, Optional.of(added), shared);
    }
}
