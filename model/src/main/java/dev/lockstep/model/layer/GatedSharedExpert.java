// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// A mixture of experts beside one expert of the same size that every token uses: `experts(x) +
/// sigmoid(gate(x)) · shared(x)`.
///
/// @param gate one row, whole on every rank
public record GatedSharedExpert(
        Kernels kernels, MixtureOfExperts experts, FeedForward.Gated shared, PackedWeight gate)
        implements FeedForward {

    @Override
    public Tensor forward(ForwardStep step) {
        Tensor partial = shared.forward(step);
        int hidden = partial.columns();
        Tensor mixer = step.activations().mixer(step.tokens());
        Tensor added = mixer.columns(0, hidden);
        Tensor share = mixer.columns(hidden, hidden + 1);
        kernels.matmul(step.x(), gate, share);
        kernels.copy(partial, added);
        kernels.multiply(added, share, true);
        Tensor sum = experts.forward(step);
        kernels.add(sum, added);
        return sum;
    }

    @Override
    public Optional<Tensor> bias() {
        return Optional.empty();
    }

    /// Loads `shared_expert` and `shared_expert_gate`.
    ///
    /// @param mlp the prefix of the layer's feed-forward
    public static GatedSharedExpert load(Weights weights, String mlp, MixtureOfExperts experts) {
        int hidden = weights.config().hiddenSize();
        return new GatedSharedExpert(
                weights.kernels(),
                experts,
                FeedForward.gated(weights, mlp + ".shared_expert"),
                weights.packRows(
                        OutputRows.of(
                                weights.matrix(mlp + ".shared_expert_gate.weight", 1, hidden))));
    }
}
