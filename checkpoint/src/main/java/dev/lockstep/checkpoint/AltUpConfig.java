// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;

/// Several residuals of a token, of which each layer computes one and predicts the others (Baykal
/// et al. 2023), with what Gemma 3n has beside it.
///
/// @param count of residuals
/// @param active the one that layers compute
/// @param scaled whether the active one is multiplied by factors before a layer's own embeddings
/// @param laurelRank columns of the matrices beside attention
/// @param sparsity of each layer: the part of the gate's outputs that becomes 0
public record AltUpConfig(
        int count, int active, boolean scaled, int laurelRank, List<Double> sparsity) {

    public AltUpConfig {
        sparsity = List.copyOf(sparsity);
        ModelConfig.requireBetween("altup_num_inputs", count, 2, 64);
        ModelConfig.requireBetween("altup_active_idx", active, 0, count - 1);
        ModelConfig.requireBetween("laurel_rank", laurelRank, 1, 1 << 16);
        for (double each : sparsity) {
            if (!(each >= 0 && each < 1)) {
                throw new IllegalArgumentException(
                        "activation_sparsity_pattern has %s, expected numbers from 0 to below 1"
                                .formatted(each));
            }
        }
    }
}
