// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;

/// The factors of a model whose layers run attention and Mamba-2 side by side (Falcon-H1).
///
/// @param attentionIn multiplies the input of attention
/// @param key multiplies keys as well
/// @param attentionOut multiplies the output of attention
/// @param stateIn multiplies the input of Mamba
/// @param projected multiply what its projection gives: z, values, B, C and steps
/// @param stateOut multiplies the output of Mamba
/// @param gate multiplies the gate of the feed-forward
/// @param down multiplies the output of the feed-forward
public record ParallelFactors(
        double attentionIn,
        double key,
        double attentionOut,
        double stateIn,
        List<Double> projected,
        double stateOut,
        double gate,
        double down) {

    public ParallelFactors {
        projected = List.copyOf(projected);
        if (projected.size() != 5) {
            throw new IllegalArgumentException(
                    "ssm_multipliers has %d entries, must have 5".formatted(projected.size()));
        }
    }

    /// Returns factors that change nothing.
    static ParallelFactors ones() {
        return new ParallelFactors(1, 1, 1, 1, List.of(1.0, 1.0, 1.0, 1.0, 1.0), 1, 1, 1);
    }

    static ParallelFactors read(JsonObject config) {
        List<Double> projected = config.numbers("ssm_multipliers");
        List<Double> feedForward = config.numbers("mlp_multipliers");
        if (!feedForward.isEmpty() && feedForward.size() != 2) {
            throw config.wrong("mlp_multipliers", feedForward, "two numbers");
        }
        return new ParallelFactors(
                number(config, "attention_in_multiplier"),
                number(config, "key_multiplier"),
                number(config, "attention_out_multiplier"),
                number(config, "ssm_in_multiplier"),
                projected.isEmpty() ? List.of(1.0, 1.0, 1.0, 1.0, 1.0) : projected,
                number(config, "ssm_out_multiplier"),
                feedForward.isEmpty() ? 1 : feedForward.getFirst(),
                feedForward.isEmpty() ? 1 : feedForward.getLast());
    }

    private static double number(JsonObject config, String key) {
        return config.number(key).orElse(1);
    }
}
