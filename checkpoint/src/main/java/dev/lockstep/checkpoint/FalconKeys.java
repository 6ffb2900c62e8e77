// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;

/// The keys of Falcon under the names that other families have for them, with what absent ones
/// mean.
record FalconKeys(JsonObject config) {
    private static final String TYPE = "falcon";
    private static final int CONTEXT = 2048;

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    /// Refuses scores that fall with the distance.
    JsonObject renamed() {
        config.requireFalse("alibi");
        ObjectNode node = config.node().deepCopy();
        int heads = config.requireInteger("num_attention_heads", "n_head");
        boolean grouped = config.flag("new_decoder_architecture").orElse(false);
        if (grouped) {
            node.put(
                    "num_key_value_heads",
                    config.integer("num_kv_heads", "n_head_kv").orElse(heads));
        } else {
            node.put("num_key_value_heads", config.flag("multi_query").orElse(true) ? 1 : heads);
        }
        if (!config.has("max_position_embeddings")) {
            node.put("max_position_embeddings", CONTEXT);
        }
        node.put(
                "intermediate_size",
                config.integer("ffn_hidden_size")
                        .orElseGet(() -> 4 * config.requireInteger("hidden_size")));
        node.put("hidden_act", config.text("activation").orElse("gelu"));
        return new JsonObject(config.file(), config.prefix(), node);
    }
}
