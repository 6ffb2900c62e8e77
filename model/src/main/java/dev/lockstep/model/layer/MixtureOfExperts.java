package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.ExpertRouting;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.util.List;

/// Gated feed-forwards of which each token goes to a few (Shazeer et al. 2017; Jiang et al. 2024).
/// Every rank holds a part of every expert; the router is whole on each.
///
/// A token's experts are added in ascending order whatever else is in the batch.
///
/// @param router rows are experts
public record MixtureOfExperts(
        Kernels kernels,
        ExpertConfig config,
        Activation activation,
        PackedWeight router,
        List<Expert> experts,
        ResidualBranch branch)
        implements FeedForward {

    public MixtureOfExperts {
        experts = List.copyOf(experts);
    }

    /// This rank's part of one feed-forward.
    ///
    /// @param gateUp gate rows, then up rows
    public record Expert(PackedWeight gateUp, PackedWeight down) {}

    @Override
    public void forward(ForwardStep step, Norm next) {
        ActivationBuffers activations = step.activations();
        Tensor logits = activations.routerLogits(step.tokens());
        Tensor sum = activations.partial(step.tokens());
        kernels.matmul(step.x(), router, logits);
        ExpertRouting routing = kernels.route(logits, config.perToken(), config.renormalized());
        kernels.clear(sum);
        for (int expert = 0; expert < experts.size(); expert++) {
            Tensor rows = routing.rows(expert);
            if (rows.columns() > 0) {
                Tensor output = forward(experts.get(expert), rows, step);
                kernels.addWeightedRows(output, rows, routing.weights(expert), sum);
            }
        }
        branch.addThenNorm(sum, step.residual(), next, step.x(), activations);
    }

    private Tensor forward(Expert expert, Tensor rows, ForwardStep step) {
        int count = rows.columns();
        Tensor input = step.activations().expertInput(count);
        Tensor both = step.activations().gateUp(count);
        Tensor product = step.activations().feedForward(count);
        Tensor output = step.activations().expertOutput(count);
        kernels.gatherRows(step.x(), rows, input);
        kernels.matmul(input, expert.gateUp(), both);
        kernels.activateMultiply(activation, both, product);
        kernels.matmul(product, expert.down(), output);
        return output;
    }
}
