// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/// The keys of Llama 4's text model under the names that other families have for them, with what
/// absent ones mean.
record Llama4Keys(JsonObject config) {
    private static final String TYPE = "llama4_text";

    /// Chunks begin where a block of the KV cache does.
    private static final int CHUNK_UNIT = 16;

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    JsonObject renamed() {
        int layers = config.requireInteger("num_hidden_layers");
        ObjectNode node = config.node().deepCopy();
        List<Integer> rotated = config.integers("no_rope_layers");
        if (rotated.isEmpty()) {
            node.remove("no_rope_layers");
        }
        if (!config.has("layer_types")) {
            ArrayNode types = node.putArray("layer_types");
            for (int layer = 0; layer < layers; layer++) {
                types.add(rotates(rotated, layer) ? "chunked_attention" : "full_attention");
            }
        }
        // intermediate_size is that of an expert.
        int expert = config.requireInteger("intermediate_size");
        node.put("moe_intermediate_size", expert);
        node.put("shared_expert_intermediate_size", expert);
        node.put("intermediate_size", config.requireInteger("intermediate_size_mlp"));
        ArrayNode feedForwards = node.putArray("mlp_layer_types");
        for (int layer = 0; layer < layers; layer++) {
            feedForwards.add(hasExperts(layer) ? "sparse" : "dense");
        }
        return new JsonObject(config.file(), config.prefix(), node);
    }

    private boolean rotates(List<Integer> rotated, int layer) {
        return rotated.isEmpty()
                ? (layer + 1) % positive("no_rope_layer_interval") != 0
                : layer < rotated.size() && rotated.get(layer) != 0;
    }

    private boolean hasExperts(int layer) {
        return config.has("moe_layers")
                ? config.integers("moe_layers").contains(layer)
                : (layer + 1) % positive("interleave_moe_layer_step") == 0;
    }

    private int positive(String key) {
        int value = config.requireInteger(key);
        if (value < 1) {
            throw config.wrong(key, value, "a positive number");
        }
        return value;
    }

    /// Returns the tokens of a chunk, outside of which no token of it attends.
    static int chunk(JsonObject config) {
        int size = config.requireInteger("attention_chunk_size");
        if (size < 1 || size % CHUNK_UNIT != 0) {
            throw config.wrong(
                    "attention_chunk_size", size, "a positive multiple of " + CHUNK_UNIT);
        }
        return size;
    }

    /// Returns whether the queries of layers without rope grow with their position; older files
    /// have a number for it.
    boolean scalesQueries() {
        JsonNode tuning = config.node().path("attn_temperature_tuning");
        return tuning.isNumber() ? tuning.doubleValue() != 0 : tuning.asBoolean();
    }
}
