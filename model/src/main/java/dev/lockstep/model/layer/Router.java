// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.ExpertGroups;
import dev.lockstep.kernels.ExpertRouting;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// The router of a mixture of experts, whole on every rank: a logit for each expert, and how a
/// token chooses by its logits.
///
/// @param weight rows are experts
/// @param bias of the logits
public record Router(
        Kernels kernels, PackedWeight weight, Optional<Tensor> bias, ExpertRouting routing) {

    /// Loads the matrix `name.weight` and, if the checkpoint has one, the bias `name.bias`.
    public static Router load(Weights weights, String name) {
        return load(weights, name, Optional.empty());
    }

    /// Loads a router that adds a correction to the scores when it chooses (DeepSeek-AI 2024).
    ///
    /// @param correction the name of a vector with a value for each expert
    public static Router corrected(Weights weights, String name, String correction) {
        int experts = weights.config().details().experts().orElseThrow().count();
        return load(weights, name, Optional.of(weights.flatVector(correction, experts)));
    }

    /// Loads a router that multiplies the weights of experts by a factor of each.
    ///
    /// @param factors the name of a vector with a value for each expert
    public static Router withFactors(Weights weights, String name, String factors) {
        Router plain = load(weights, name);
        int experts = weights.config().details().experts().orElseThrow().count();
        return new Router(
                plain.kernels,
                plain.weight,
                plain.bias,
                plain.routing.withFactors(weights.vector(factors, experts)));
    }

    private static Router load(Weights weights, String name, Optional<Tensor> correction) {
        ExpertConfig experts = weights.config().details().experts().orElseThrow();
        OutputRows logits = weights.linear(name, experts.count(), weights.config().hiddenSize());
        return new Router(
                weights.kernels(),
                weights.packRows(logits),
                weights.bias(logits),
                new ExpertRouting(
                        experts.perToken(),
                        score(experts),
                        experts.renormalized(),
                        (float) experts.scale(),
                        correction,
                        experts.groups().count(),
                        experts.groups().kept(),
                        rank(experts.groups())));
    }

    /// Writes the logits of every token.
    ///
    /// @param x `[T, H]`
    /// @param out `[T, experts]` F32
    void forward(Tensor x, Tensor out) {
        kernels.matmul(x, weight, out);
        bias.ifPresent(values -> kernels.add(out, values));
    }

    private static ExpertRouting.Score score(ExpertConfig experts) {
        return switch (experts.score()) {
            case SOFTMAX -> ExpertRouting.Score.SOFTMAX;
            case SIGMOID -> ExpertRouting.Score.SIGMOID;
        };
    }

    private static ExpertRouting.GroupRank rank(ExpertGroups groups) {
        return switch (groups.rank()) {
            case BEST -> ExpertRouting.GroupRank.BEST;
            case BEST_TWO -> ExpertRouting.GroupRank.BEST_TWO;
        };
    }
}
