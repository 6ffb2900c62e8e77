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

/// The first residual: rows of the token table, times a factor, plus rows of the table of token
/// types in encoders that have them, plus rows of the position table in families with learned
/// positions. Tables are whole on every rank.
///
/// @param multiplier 1 for none
/// @param firstType the row of the token type that all tokens of a text have
/// @param types for batches with other token types
/// @param layerInputs what layers get beside it, in models whose layers have embeddings of their
///   own
public record Embedding(
        Kernels kernels,
        EmbeddingTable tokens,
        float multiplier,
        Optional<Tensor> firstType,
        Optional<EmbeddingTable> types,
        Optional<EmbeddingTable> positions,
        Optional<LayerInputs> layerInputs) {

    public static Embedding load(Weights weights, String name) {
        EmbeddingTable tokens =
                weights.embedding(name + ".weight", weights.config().vocabularySize());
        return new Embedding(
                weights.kernels(),
                tokens,
                1,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    /// Returns this embedding with its token rows multiplied.
    public Embedding times(double factor) {
        return new Embedding(
                kernels, tokens, (float) factor, firstType, types, positions, layerInputs);
    }

    /// Returns this embedding with a table of token types.
    public Embedding withTokenTypes(Weights weights, String name) {
        int count = weights.config().details().encoder().orElseThrow().tokenTypes();
        int hidden = weights.config().hiddenSize();
        WeightMatrix table = weights.matrix(name + ".weight", count, hidden);
        float[] first = table.part(0, 1).reshaped(hidden, 1).floats(0, hidden);
        return new Embedding(
                kernels,
                tokens,
                multiplier,
                Optional.of(weights.vector(first)),
                count > 1
                        ? Optional.of(weights.embedding(name + ".weight", count))
                        : Optional.empty(),
                positions,
                layerInputs);
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
        return new Embedding(
                kernels, tokens, multiplier, firstType, types, Optional.of(table), layerInputs);
    }

    /// Returns this embedding with those of each layer if the configuration has some.
    ///
    /// @param model the prefix of their tensors
    public Embedding withLayerInputs(Weights weights, String model) {
        return weights.config().details().layerInputs().isEmpty()
                ? this
                : new Embedding(
                        kernels,
                        tokens,
                        multiplier,
                        firstType,
                        types,
                        positions,
                        Optional.of(LayerInputs.load(weights, model)));
    }

    void forward(ForwardStep step) {
        Tensor residual = step.residual();
        kernels.embed(tokens, step.batch().ids(), residual);
        if (multiplier != 1) {
            kernels.scale(residual, multiplier);
        }
        Optional<Tensor> typed = step.batch().tokenTypes();
        if (typed.isPresent()) {
            EmbeddingTable table =
                    types.orElseThrow(
                            () ->
                                    new IllegalArgumentException(
                                            "a batch has token types, the model has none"));
            addRows(table, typed.get(), step);
        } else {
            firstType.ifPresent(each -> kernels.add(residual, each));
        }
        positions.ifPresent(table -> addRows(table, step.batch().positions(), step));
        layerInputs.ifPresent(each -> each.forward(step));
    }

    private void addRows(EmbeddingTable table, Tensor rows, ForwardStep step) {
        Tensor learned = step.x();
        kernels.embed(table, rows, learned);
        kernels.add(step.residual(), learned);
    }
}
