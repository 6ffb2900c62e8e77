// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A reader of [StateConfig] in `config.json`, and of the layers that have one.
record StateReader(JsonObject config) {

    /// Returns the state of the layers that have one; empty for models of attention alone.
    Optional<StateConfig> state() {
        if (config.has("linear_num_value_heads")) {
            return Optional.of(
                    new StateConfig.GatedDelta(
                            config.requireInteger("linear_num_key_heads"),
                            config.requireInteger("linear_num_value_heads"),
                            config.requireInteger("linear_key_head_dim"),
                            config.requireInteger("linear_value_head_dim"),
                            config.requireInteger("linear_conv_kernel_dim")));
        }
        if (config.has("conv_L_cache")) {
            return Optional.of(
                    new StateConfig.ShortConvolution(
                            config.requireInteger("hidden_size"),
                            config.requireInteger("conv_L_cache")));
        }
        return Optional.empty();
    }

    /// Returns the kinds of all layers as `layer_types` would name them, where another key of a
    /// model with states gives them; else an empty list.
    List<String> layerTypes(int layers) {
        if (state().isEmpty() || !config.texts("layer_types").isEmpty()) {
            return List.of();
        }
        List<String> types = new ArrayList<>();
        if (config.has("full_attn_idxs")) {
            List<Integer> full = config.integers("full_attn_idxs");
            for (int layer = 0; layer < layers; layer++) {
                types.add(full.contains(layer) ? "full_attention" : "conv");
            }
            return types;
        }
        int interval = config.integer("full_attention_interval").orElse(4);
        if (interval < 1) {
            throw config.wrong("full_attention_interval", interval, "a positive number");
        }
        for (int layer = 0; layer < layers; layer++) {
            types.add((layer + 1) % interval == 0 ? "full_attention" : "linear_attention");
        }
        return types;
    }
}
