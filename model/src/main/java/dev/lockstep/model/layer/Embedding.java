// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.RopeScaling;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// The first residual: rows of the token table, times a factor, plus rows of the position table in
/// families with learned positions. Both tables are whole on every rank.
///
/// @param multiplier 1 for none
public record Embedding(
        Kernels kernels,
        EmbeddingTable tokens,
        float multiplier,
        Optional<EmbeddingTable> positions) {

    public static Embedding load(Weights weights, String name) {
        EmbeddingTable tokens =
                weights.embedding(name + ".weight", weights.config().vocabularySize());
        return new Embedding(weights.kernels(), tokens, 1, Optional.empty());
    }

    /// Returns this embedding with its token rows multiplied.
    public Embedding times(double factor) {
        return new Embedding(kernels, tokens, (float) factor, positions);
    }

    /// Returns this embedding with a table of learned positions.
    public Embedding withPositions(Weights weights, String name) {
        if (!(weights.config().rope().scaling() instanceof RopeScaling.None)) {
            throw new IllegalArgumentException(
                    "the configuration scales a rope, but the model's positions are learned");
        }
        EmbeddingTable table =
                weights.embedding(name + ".weight", weights.config().contextLength());
        return new Embedding(kernels, tokens, multiplier, Optional.of(table));
    }

    void forward(ForwardStep step) {
        Tensor residual = step.residual();
        kernels.embed(tokens, step.batch().ids(), residual);
        if (multiplier != 1) {
            kernels.scale(residual, multiplier);
        }
        if (positions.isPresent()) {
            Tensor learned = step.x();
            kernels.embed(positions.get(), step.batch().positions(), learned);
            kernels.add(residual, learned);
        }
    }
}
