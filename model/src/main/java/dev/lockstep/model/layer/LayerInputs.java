// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.LayerInputConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;

/// What each layer gets of the tokens beside the residual (Gemma 3n 2025), for all layers at once
/// and whole on every rank; P is the size of a layer's part:
///
/// ```
/// inputs = (norm(projection(embedding) / √H) + √P · table[ids]) / √2
/// ```
///
/// The factors are those of the norm's weights and epsilon, and one of the table.
///
/// @param table a row of `[layers · P]` for each id
/// @param projection `[layers · P, H]`
/// @param weight of the norm of each layer's part, `[1, P]`
public record LayerInputs(
        Kernels kernels,
        EmbeddingTable table,
        float factor,
        PackedWeight projection,
        Tensor weight,
        float epsilon) {

    /// Loads `embed_tokens_per_layer`, `per_layer_model_projection` and
    /// `per_layer_projection_norm`.
    public static LayerInputs load(Weights weights, String model) {
        ModelConfig config = weights.config();
        LayerInputConfig inputs = config.details().layerInputs().orElseThrow();
        int columns = config.layerCount() * inputs.size();
        int[] rows = new int[config.vocabularySize()];
        for (int id = 0; id < Math.min(rows.length, inputs.vocabulary()); id++) {
            rows[id] = id;
        }
        String norm = model + ".per_layer_projection_norm.weight";
        float[] factors = weights.values(norm, inputs.size(), new Span(0, inputs.size()));
        for (int i = 0; i < factors.length; i++) {
            factors[i] = (float) (factors[i] * Math.sqrt(0.5));
        }
        return new LayerInputs(
                weights.kernels(),
                weights.embedding(
                        model + ".embed_tokens_per_layer.weight",
                        inputs.vocabulary(),
                        columns,
                        rows),
                (float) Math.sqrt(0.5 * inputs.size()),
                weights.packWhole(
                        model + ".per_layer_model_projection", columns, config.hiddenSize()),
                weights.vector(factors),
                (float) (config.normEpsilon() * config.hiddenSize()));
    }

    /// Writes the inputs of every layer, when the residual is the embedding.
    void forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Tensor inputs = activations.layerInputs(step.tokens());
        Tensor projected = activations.layerProjections(step.tokens());
        kernels.embed(table, step.batch().ids(), inputs);
        kernels.scale(inputs, factor);
        kernels.matmul(step.residual(), projection, projected);
        kernels.rmsNormHeads(projected, weight, epsilon);
        kernels.add(inputs, projected);
    }
}
