// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/// The multipliers, caps and choices of some families; most models have [#plain].
///
/// @param activation name in `config.json`: `silu`, `gelu_pytorch_tanh`
/// @param embeddingMultiplier multiplies the embedding's rows
/// @param residualMultiplier multiplies what a layer adds to the residual
/// @param logitDivisor divides the logits
/// @param attentionScale multiplies q·k, where it is not `1 / sqrt(head size)`
/// @param attentionCap c in `c · tanh(score / c)`
/// @param logitCap the same c for the logits
/// @param experts empty for dense models
/// @param encoder empty for models that generate: their tokens attend to none after them
/// @param feedForwardLayers layers of a feed-forward alone; if there are any, the other layers have
///   none
/// @param feedForwardSizes of layers whose feed-forward has another size than the others
/// @param layerInputs empty unless every layer has embeddings of its own
/// @param altUp empty for models with one residual
/// @param positions rotated and scaled as in most models, unless the family differs
public record DecoderDetails(
        String activation,
        double embeddingMultiplier,
        double residualMultiplier,
        double logitDivisor,
        OptionalDouble attentionScale,
        OptionalDouble attentionCap,
        OptionalDouble logitCap,
        Optional<ExpertConfig> experts,
        Optional<EncoderConfig> encoder,
        Set<Integer> feedForwardLayers,
        Map<Integer, Integer> feedForwardSizes,
        Optional<LayerInputConfig> layerInputs,
        Optional<AltUpConfig> altUp,
        PositionConfig positions) {

    public DecoderDetails {
        feedForwardLayers = Set.copyOf(feedForwardLayers);
        feedForwardSizes = Map.copyOf(feedForwardSizes);
        feedForwardSizes
                .values()
                .forEach(size -> ModelConfig.requireBetween("feed-forward size", size, 1, 1 << 24));
        requirePositive("embedding multiplier", embeddingMultiplier);
        requirePositive("residual multiplier", residualMultiplier);
        requirePositive("logit divisor", logitDivisor);
        attentionScale.ifPresent(value -> requirePositive("attention scale", value));
        attentionCap.ifPresent(value -> requirePositive("attention cap", value));
        logitCap.ifPresent(value -> requirePositive("logit cap", value));
    }

    /// Creates details of a decoder whose layers have a feed-forward each.
    public DecoderDetails(
            String activation,
            double embeddingMultiplier,
            double residualMultiplier,
            double logitDivisor,
            OptionalDouble attentionScale,
            OptionalDouble attentionCap,
            OptionalDouble logitCap,
            Optional<ExpertConfig> experts,
            PositionConfig positions) {
        this(
                activation,
                embeddingMultiplier,
                residualMultiplier,
                logitDivisor,
                attentionScale,
                attentionCap,
                logitCap,
                experts,
                Optional.empty(),
                Set.of(),
                Map.of(),
                Optional.empty(),
                Optional.empty(),
                positions);
    }

    public static DecoderDetails plain() {
        return new DecoderDetails(
                "silu",
                1,
                1,
                1,
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                Optional.empty(),
                PositionConfig.plain());
    }

    private static void requirePositive(String what, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw new IllegalArgumentException(
                    "%s %s is not positive and finite".formatted(what, value));
        }
    }
}
