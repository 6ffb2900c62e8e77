// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// A mixture of experts in place of a feed-forward.
///
/// @param count experts of a layer
/// @param perToken experts that process a token
/// @param renormalized whether the weights of a token's experts are scaled to add up to 1
/// @param score what the router's logits become
/// @param groups which groups of experts a token chooses from
/// @param scale multiplies the weights of a token's experts
/// @param sharedSize feed-forward size of all experts that every token uses, 0 for none
/// @param latentSize of the inputs and outputs of experts, 0 for the hidden size
/// @param dense the layers that have a feed-forward instead
public record ExpertConfig(
        int count,
        int perToken,
        boolean renormalized,
        Score score,
        ExpertGroups groups,
        double scale,
        int sharedSize,
        int latentSize,
        DenseLayers dense) {

    /// The function of the router's logits by which a token weights its experts.
    public enum Score {
        /// Over all experts.
        SOFTMAX,
        /// Of each logit alone.
        SIGMOID
    }

    public ExpertConfig {
        ModelConfig.requireBetween("experts", count, 1, 1 << 16);
        ModelConfig.requireBetween("experts per token", perToken, 1, count);
        ModelConfig.requireBetween("shared expert size", sharedSize, 0, 1 << 24);
        ModelConfig.requireBetween("expert latent size", latentSize, 0, 1 << 20);
        groups.requireFit(count, perToken);
        if (!(scale > 0) || Double.isInfinite(scale)) {
            throw new IllegalArgumentException(
                    "scale of experts " + scale + " is not positive and finite");
        }
    }

    /// Creates experts of every layer, chosen by the softmax of their logits, and no others.
    public ExpertConfig(int count, int perToken, boolean renormalized) {
        this(
                count,
                perToken,
                renormalized,
                Score.SOFTMAX,
                ExpertGroups.one(),
                1,
                0,
                0,
                DenseLayers.none());
    }

    /// Returns the size of the inputs and outputs of an expert.
    public int inputSize(int hiddenSize) {
        return latentSize > 0 ? latentSize : hiddenSize;
    }
}
