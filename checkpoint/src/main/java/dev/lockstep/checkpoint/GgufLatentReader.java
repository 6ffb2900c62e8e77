// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// A reader of [LatentConfig] in GGUF metadata. Files of one KV head have the sizes of a head's
/// keys and values under names of their own; older ones have as many KV heads as heads.
record GgufLatentReader(ArchitectureKeys keys) {

    Optional<LatentConfig> latent() {
        if (!keys.architecture().equals("deepseek2")) {
            return Optional.empty();
        }
        int rotated = keys.requireSize("rope.dimension_count", 1 << 16);
        int query = size("attention.key_length");
        return Optional.of(
                new LatentConfig(
                        keys.size("attention.q_lora_rank").orElse(0),
                        keys.requireSize("attention.kv_lora_rank", 1 << 16),
                        query - rotated,
                        rotated,
                        size("attention.value_length"),
                        true));
    }

    private int size(String name) {
        String own = name + "_mla";
        return keys.requireSize(keys.has(own) ? own : name, 1 << 16);
    }

    /// Returns what YaRN multiplies queries and keys by in place of cosines and sines:
    /// `mscale_all_dim`, of which conversions store a tenth.
    static double mscale(ArchitectureKeys keys) {
        String name = "rope.scaling.yarn_log_multiplier";
        return keys.number(name).orElseThrow(() -> keys.missing(name)) * 10;
    }

    /// Returns what multiplies q·k, as [LatentReader#scale] does.
    double scale(LatentConfig latent, RopeConfig rope) {
        double m =
                rope.scaling() instanceof RopeScaling.Yarn yarn && yarn.factor() > 1
                        ? 0.1 * mscale(keys) * Math.log(yarn.factor()) + 1
                        : 1;
        return m * m / Math.sqrt(latent.queryDim());
    }
}
