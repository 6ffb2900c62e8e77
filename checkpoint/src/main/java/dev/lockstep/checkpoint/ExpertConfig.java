// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// A mixture of experts in place of a feed-forward.
///
/// @param count experts of a layer
/// @param perToken experts that process a token
/// @param renormalized whether the weights of a token's experts are scaled to add up to 1
public record ExpertConfig(int count, int perToken, boolean renormalized) {
    public ExpertConfig {
        ModelConfig.requireBetween("experts", count, 1, 1 << 16);
        ModelConfig.requireBetween("experts per token", perToken, 1, count);
    }
}
