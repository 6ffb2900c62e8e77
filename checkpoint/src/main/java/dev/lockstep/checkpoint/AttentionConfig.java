// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The heads of a model's attention.
///
/// @param bias true when q, k and v are projected with a bias
public record AttentionConfig(int headCount, int kvHeadCount, int headDim, boolean bias) {
    public AttentionConfig {
        ModelConfig.requireBetween("attention heads", headCount, 1, 1 << 16);
        ModelConfig.requireBetween("KV heads", kvHeadCount, 1, headCount);
        ModelConfig.requireBetween("head size", headDim, 1, 1 << 16);
        if (headCount % kvHeadCount != 0) {
            throw new IllegalArgumentException(
                    headCount + " attention heads do not divide into " + kvHeadCount + " KV heads");
        }
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
