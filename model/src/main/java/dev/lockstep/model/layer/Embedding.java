// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.EncoderConfig;
import dev.lockstep.checkpoint.RopeScaling;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// The first residual: rows of the token table, times a factor, plus the token type in encoders
/// that have them, plus rows of the position table in families with learned positions. Tables are
/// whole on every rank.
///
/// @param multiplier 1 for none
/// @param tokenType of every token of a text
public record Embedding(
        Kernels kernels,
        EmbeddingTable tokens,
        float multiplier,
        Optional<Tensor> tokenType,
        Optional<EmbeddingTable> positions) {

    public static Embedding load(Weights weights, String name) {
        EmbeddingTable tokens =
                weights.embedding(name + ".weight", weights.config().vocabularySize());
        return new Embedding(weights.kernels(), tokens, 1, Optional.empty(), Optional.empty());
    }

    /// Returns this embedding with its token rows multiplied.
    public Embedding times(double factor) {
        return new Embedding(kernels, tokens, (float) factor, tokenType, positions);
    }

    /// Returns this embedding with the first row of a table of token types.
    public Embedding withTokenType(Weights weights, String name) {
        int types = weights.config().details().encoder().orElseThrow().tokenTypes();
        int hidden = weights.config().hiddenSize();
        WeightMatrix table = weights.matrix(name + ".weight", types, hidden);
        float[] first = table.part(0, 1).reshaped(hidden, 1).floats(0, hidden);
        return new Embedding(
                kernels, tokens, multiplier, Optional.of(weights.vector(first)), positions);
    }

    /// Returns this embedding with a table of learned positions.
    public Embedding withPositions(Weights weights, String name) {
        if (!(weights.config().rope().scaling() instanceof RopeScaling.None)) {
            throw new IllegalArgumentException(
                    "the configuration scales a rope, but the model's positions are learned");
        }
        int before =
                weights.config().details().encoder().map(EncoderConfig::firstPosition).orElse(0);
        EmbeddingTable table =
                weights.embedding(
                        name + ".weight", before + weights.config().contextLength(), before);
        return new Embedding(kernels, tokens, multiplier, tokenType, Optional.of(table));
    }

    void forward(ForwardStep step) {
        Tensor residual = step.residual();
        kernels.embed(tokens, step.batch().ids(), residual);
        if (multiplier != 1) {
            kernels.scale(residual, multiplier);
        }
        tokenType.ifPresent(each -> kernels.add(residual, each));
        if (positions.isPresent()) {
            Tensor learned = step.x();
            kernels.embed(positions.get(), step.batch().positions(), learned);
            kernels.add(residual, learned);
        }
    }
}
