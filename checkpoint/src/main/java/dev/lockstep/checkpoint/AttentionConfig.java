// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// The heads of a model's attention.
///
/// @param bias true when q, k and v are projected with a bias
/// @param unitNorm whether the heads of q and k have an RMSNorm without weights in layers with a
///   rope
/// @param full other heads of the layers without a window; empty for those of all layers
/// @param latent of models whose heads share one latent key, which counts as one KV head of
///   [LatentConfig#cachedDim]
public record AttentionConfig(
        int headCount,
        int kvHeadCount,
        int headDim,
        boolean bias,
        boolean unitNorm,
        Optional<FullHeads> full,
        Optional<LatentConfig> latent) {

    /// The KV heads and the size of all heads of layers without a window, in models where they
    /// differ from those of the layers with one (Gemma 4).
    public record FullHeads(int kvHeadCount, int headDim) {}

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
        this(headCount, kvHeadCount, headDim, bias, false, Optional.empty(), Optional.empty());
    }

    /// Creates heads that share one latent key.
    static AttentionConfig latent(int headCount, LatentConfig latent) {
        return new AttentionConfig(
                headCount,
                1,
                latent.cachedDim(),
                false,
                false,
                Optional.empty(),
                Optional.of(latent));
    }

    /// Returns the heads of a group of layers.
    public AttentionConfig of(KvGroup group) {
        if (full.isEmpty() || group.kind() != KvGroup.Kind.FULL) {
            return this;
        }
        FullHeads heads = full.get();
        return new AttentionConfig(
                headCount,
                heads.kvHeadCount(),
                heads.headDim(),
                bias,
                unitNorm,
                Optional.empty(),
                latent);
    }

    /// Returns the size of the largest head.
    public int largestHead() {
        return Math.max(headDim, full.map(FullHeads::headDim).orElse(0));
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
