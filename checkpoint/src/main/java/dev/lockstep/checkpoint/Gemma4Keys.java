// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// The keys of Gemma 4's text model that no other family has.
record Gemma4Keys(JsonObject config) {
    private static final String TYPE = "gemma4_text";

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    /// Returns the configuration; refuses what only some of the models have.
    JsonObject supported() {
        refuseAbove("hidden_size_per_layer_input", "embeddings of each layer are not supported");
        refuseAbove("num_kv_shared_layers", "layers that share keys and values are not supported");
        config.requireFalse("enable_moe_block");
        ObjectNode node = config.node().deepCopy();
        // Tokens of images attend in both directions, those of text do not.
        if (config.node().path("use_bidirectional_attention").asText().equals("vision")) {
            node.remove("use_bidirectional_attention");
        }
        return new JsonObject(config.file(), config.prefix(), node);
    }

    private void refuseAbove(String key, String reason) {
        int value = config.integer(key).orElse(0);
        if (value != 0) {
            throw config.wrong(key, value, "0: " + reason);
        }
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
