// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// A reader of [LatentConfig] in `config.json`.
record LatentReader(JsonObject config) {

    Optional<LatentConfig> latent() {
        if (!config.has("kv_lora_rank")) {
            return Optional.empty();
        }
        return Optional.of(
                new LatentConfig(
                        config.integer("q_lora_rank").orElse(0),
                        config.requireInteger("kv_lora_rank"),
                        config.requireInteger("qk_nope_head_dim"),
                        config.requireInteger("qk_rope_head_dim"),
                        config.requireInteger("v_head_dim"),
                        config.flag("rope_interleave").orElse(true)));
    }

    /// Returns what multiplies q·k: `m² / sqrt(query dimensions)`, where m is that of a rope scaled
    /// by YaRN, `0.1 · mscale_all_dim · ln(factor) + 1`.
    double scale(LatentConfig latent) {
        Optional<JsonObject> rope = RopeReader.keys(config);
        double factor = rope.map(each -> each.number("factor").orElse(1)).orElse(1.0);
        double all = rope.map(each -> each.number("mscale_all_dim").orElse(0)).orElse(0.0);
        double m = factor > 1 && all != 0 ? 0.1 * all * Math.log(factor) + 1 : 1;
        return m * m / Math.sqrt(latent.queryDim());
    }
}
