// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ActivationNames;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Gated feed-forwards of which each token uses a few (Shazeer et al. 2017; Jiang et al. 2024).
/// Every rank holds a shard of every expert; the router is whole on each rank.
///
/// A token's experts are added in ascending order whatever else is in the batch.
///
/// @param router rows are experts
public record MixtureOfExperts(Kernels kernels, PackedWeight router, ExpertSet experts)
        implements FeedForward {

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Tensor logits = activations.routerLogits(step.tokens());
        Tensor sum = activations.partial(step.tokens());
        kernels.matmul(step.x(), router, logits);
        kernels.experts(experts, step.x(), logits, activations.expertScratch(), sum);
        return sum;
    }

    @Override
    public Optional<Tensor> bias() {
        return Optional.empty();
    }

    /// Loads a router and its experts.
    ///
    /// @param router the name of the router's matrix, without `.weight`
    public static MixtureOfExperts load(Weights weights, String router, Names names) {
        ModelConfig config = weights.config();
        ExpertConfig experts = config.details().experts().orElseThrow();
        int count = experts.count();
        WeightMatrix routing = weights.matrix(router + ".weight", count, config.hiddenSize());
        List<ExpertWeights> loaded = new ArrayList<>();
        for (int expert = 0; expert < count; expert++) {
            loaded.add(names.load(weights, expert));
        }
        var layer =
                new ExpertLayer(
                        loaded,
                        ActivationNames.of(config),
                        experts.perToken(),
                        experts.renormalized());
        return new MixtureOfExperts(
                weights.kernels(),
                weights.packRows(OutputRows.of(routing)),
                weights.kernels().prepareExperts(layer));
    }

    /// How a checkpoint names the matrices of a layer's experts: `prefix.5.gate.weight` for one,
    /// or, as in GGUF files, `prefix.gate.weight` for all of them one below the other.
    public record Names(String prefix, String gate, String up, String down) {

        /// Returns the names that most families use.
        public static Names of(String prefix) {
            return new Names(prefix, "gate_proj", "up_proj", "down_proj");
        }

        private ExpertWeights load(Weights weights, int expert) {
            int width = weights.config().feedForwardSize();
            int hidden = weights.config().hiddenSize();
            Span own = weights.shard().feedForward();
            OutputRows gateRows = matrix(weights, gate, expert, width, hidden);
            OutputRows upRows = matrix(weights, up, expert, width, hidden);
            OutputRows downRows = matrix(weights, down, expert, hidden, width);
            return new ExpertWeights(
                    weights.packRows(gateRows.cut(own), upRows.cut(own)),
                    weights.packColumns(downRows, own));
        }

        private OutputRows matrix(Weights weights, String name, int expert, int rows, int columns) {
            String all = "%s.%s.weight".formatted(prefix, name);
            if (weights.has(all)) {
                int count = weights.config().feedForwardsPerLayer();
                return OutputRows.of(weights.matrix(all, count * rows, columns))
                        .cut(new Span(expert * rows, (expert + 1) * rows));
            }
            String one = "%s.%d.%s.weight".formatted(prefix, expert, name);
            return OutputRows.of(weights.matrix(one, rows, columns));
        }
    }
}
