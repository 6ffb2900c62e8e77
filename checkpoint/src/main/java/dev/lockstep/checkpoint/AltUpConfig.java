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
/// @param deviations of each layer: outputs of the gate become 0 that are not as many standard
///   deviations above their mean; −∞ in layers that keep all
public record AltUpConfig(
        int count, int active, boolean scaled, int laurelRank, List<Double> deviations) {

    public AltUpConfig {
        deviations = List.copyOf(deviations);
        ModelConfig.requireBetween("altup_num_inputs", count, 2, 64);
        ModelConfig.requireBetween("altup_active_idx", active, 0, count - 1);
        ModelConfig.requireBetween("laurel_rank", laurelRank, 1, 1 << 16);
        for (double each : deviations) {
            if (Double.isNaN(each) || each == Double.POSITIVE_INFINITY) {
                throw new IllegalArgumentException(
                        "a gate cannot be %s standard deviations above its mean".formatted(each));
            }
        }
    }
}
