// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/// The keys of Gemma 4's text model that no other family has.
record Gemma4Keys(JsonObject config) {
    private static final String TYPE = "gemma4_text";

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    /// Returns the configuration with the names that other families have for experts; without a
    /// list of layers, every sixth and the last have no window.
    JsonObject renamed() {
        ObjectNode node = config.node().deepCopy();
        // Tokens of images attend in both directions, those of text do not.
        if (config.node().path("use_bidirectional_attention").asText().equals("vision")) {
            node.remove("use_bidirectional_attention");
        }
        if (config.flag("enable_moe_block").orElse(false)) {
            config.requireFalse("use_double_wide_mlp");
            node.put("num_experts_per_tok", config.requireInteger("top_k_experts"));
            // Every token uses the feed-forward beside the experts.
            node.put("shared_intermediate_size", config.requireInteger("intermediate_size"));
        } else {
            node.remove(List.of("num_experts", "top_k_experts", "moe_intermediate_size"));
        }
        if (!config.has("layer_types")) {
            int layers = config.requireInteger("num_hidden_layers");
            ArrayNode types = node.putArray("layer_types");
            for (int layer = 1; layer <= layers; layer++) {
                boolean full = layer % 6 == 0 || layer == layers;
                types.add(full ? "full_attention" : "sliding_attention");
            }
        }
        return new JsonObject(config.file(), config.prefix(), node);
    }

    /// Returns the heads of layers without a window: `global_head_dim`, or what transformers 5
    /// writes for each of these layers.
    AttentionConfig.FullHeads fullHeads() {
        JsonNode layer = firstOfLayers();
        int size = layer.path("head_dim").asInt(config.integer("global_head_dim").orElse(512));
        int all = config.requireInteger("num_key_value_heads");
        boolean own = config.flag("attention_k_eq_v").orElse(false);
        int heads = own ? config.integer("num_global_key_value_heads").orElse(all) : all;
        int count = layer.path("num_key_value_heads").asInt(heads);
        int queries = config.requireInteger("num_attention_heads");
        if (count < 1 || queries % count != 0) {
            throw config.wrong(
                    "num_global_key_value_heads", count, "a divisor of the " + queries + " heads");
        }
        if (size < 2 || size > 1 << 16) {
            throw config.wrong("global_head_dim", size, "a number from 2 to 65536");
        }
        return new AttentionConfig.FullHeads(count, size);
    }

    private JsonNode firstOfLayers() {
        JsonNode layers = config.node().path("per_layer_config");
        return layers.isObject() && !layers.isEmpty() ? layers.elements().next() : layers;
    }
}
