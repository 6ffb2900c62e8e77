// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// The heads of a model's attention.
///
/// @param bias true when q, k and v are projected with a bias
/// @param unitNorm whether the heads of q and k have an RMSNorm without weights in layers with a
///   rope
/// @param latent of models whose heads share one latent key, which counts as one KV head of
///   [LatentConfig#cachedDim]
public record AttentionConfig(
        int headCount,
        int kvHeadCount,
        int headDim,
        boolean bias,
        boolean unitNorm,
        Optional<LatentConfig> latent) {

    public AttentionConfig {
        ModelConfig.requireBetween("attention heads", headCount, 1, 1 << 16);
        ModelConfig.requireBetween("KV heads", kvHeadCount, 1, headCount);
        ModelConfig.requireBetween("head size", headDim, 1, 1 << 16);
        if (headCount % kvHeadCount != 0) {
            throw new IllegalArgumentException(
                    headCount + " attention heads do not divide into " + kvHeadCount + " KV heads");
        }
    }

    /// Creates heads with keys and values of their own, or of their group.
    public AttentionConfig(int headCount, int kvHeadCount, int headDim, boolean bias) {
        this(headCount, kvHeadCount, headDim, bias, false, Optional.empty());
    }

    /// Creates heads that share one latent key.
    static AttentionConfig latent(int headCount, LatentConfig latent) {
        return new AttentionConfig(
                headCount, 1, latent.cachedDim(), false, false, Optional.of(latent));
    }

    /// Returns the dimensions of a head among which a rope rotates.
    int rotatedHeadDim() {
        return latent.map(LatentConfig::rotaryDim).orElse(headDim);
    }

    /// Returns the width of q: `headCount * headDim`, which need not be the hidden size.
    public int queryWidth() {
        return headCount * headDim;
    }

    /// Returns the width of k and of v.
    public int kvWidth() {
        return kvHeadCount * headDim;
    }
}
