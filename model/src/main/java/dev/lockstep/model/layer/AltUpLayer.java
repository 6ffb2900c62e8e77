// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Weights;
import dev.lockstep.nccl.Communicator;
import java.util.List;
import java.util.Optional;

/// A layer of a model with several residuals of a token: it predicts all, computes one, corrects
/// all, and adds its own embeddings to all but the first:
///
/// ```
/// x         = predicted_a
/// x         = (x + norm(attention(norm(x))) + laurel(norm(x))) / √2
/// x         = x + norm(feedForward(norm(x)))
/// residual  = correct(predicted, x)
/// residual_j += norm(gate(scale ⊙ residual_a)) for j > 0
/// ```
///
/// @param outputScale `[1, H]`, if there is one
public record AltUpLayer(
        AltUp altUp,
        Norm.Rms attentionInput,
        ResidualBranch.Sublayer attention,
        Norm.Rms attentionOutput,
        Laurel laurel,
        Norm.Rms feedForwardInput,
        FeedForward feedForward,
        Norm.Rms feedForwardOutput,
        Optional<Tensor> outputScale,
        LayerInputGate gate,
        Norm.Rms gateOutput) {

    /// Loads a layer, whose attention and feed-forward are loaded.
    public static AltUpLayer load(
            Weights weights, int i, ResidualBranch.Sublayer attention, FeedForward feedForward) {
        String layer = "model.layers." + i;
        String scale = layer + ".altup.correct_output_scale";
        boolean scaled = weights.config().details().altUp().orElseThrow().scaled();
        return new AltUpLayer(
                AltUp.load(weights, layer + ".altup"),
                Norm.rms(weights, layer + ".input_layernorm"),
                attention,
                Norm.rms(weights, layer + ".post_attention_layernorm"),
                Laurel.load(weights, layer + ".laurel"),
                Norm.rms(weights, layer + ".pre_feedforward_layernorm"),
                feedForward,
                Norm.rms(weights, layer + ".post_feedforward_layernorm"),
                scaled
                        ? Optional.of(weights.vector(scale, weights.config().hiddenSize()))
                        : Optional.empty(),
                LayerInputGate.load(weights, i, layer),
                Norm.rms(weights, layer + ".post_per_layer_input_norm"));
    }

    /// Updates the residuals.
    ///
    /// @param predicted memory for as many
    void forward(ForwardStep step, List<Tensor> residuals, List<Tensor> predicted) {
        Communicator communicator = step.activations().communicator();
        Kernels kernels = attentionInput.kernels();
        int active = altUp.config().active();
        Tensor computed = step.residual();
        Tensor kept = step.activations().mixer(step.tokens()).columns(0, computed.columns());
        altUp.predict(step, residuals, predicted);
        kernels.copy(predicted.get(active), computed);
        attentionInput.apply(computed, step.x());
        laurel.forward(step, kept);
        Tensor attended = attention.forward(step);
        communicator.allReduceSum(attended);
        attentionOutput.apply(attended, attended);
        kernels.add(computed, attended);
        kernels.add(computed, kept);
        kernels.scale(computed, (float) Math.sqrt(0.5));
        feedForwardInput.apply(computed, step.x());
        Tensor product = feedForward.forward(step);
        communicator.allReduceSum(product);
        feedForwardOutput.apply(product, product);
        kernels.add(computed, product);
        altUp.correct(step, computed, predicted, residuals, kept);
        kernels.copy(residuals.get(active), step.x());
        outputScale.ifPresent(each -> kernels.scaleColumns(step.x(), each));
        Tensor added = gate.forward(step);
        communicator.allReduceSum(added);
        gateOutput.apply(added, added);
        residuals.subList(1, residuals.size()).forEach(each -> kernels.add(each, added));
    }
}
