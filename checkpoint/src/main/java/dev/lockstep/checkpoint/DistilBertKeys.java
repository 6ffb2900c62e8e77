// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/// The keys of DistilBERT under the names that BERT has for them.
record DistilBertKeys(JsonObject config) {
    private static final String TYPE = "distilbert";

    /// No key says it.
    private static final double NORM_EPSILON = 1e-12;

    private static final Map<String, String> NAMES =
            Map.of(
                    "dim", "hidden_size",
                    "hidden_dim", "intermediate_size",
                    "n_heads", "num_attention_heads",
                    "n_layers", "num_hidden_layers",
                    "activation", "hidden_act");

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    JsonObject renamed() {
        ObjectNode node = config.node().deepCopy();
        NAMES.forEach(
                (own, common) -> {
                    if (config.has(own)) {
                        node.set(common, node.get(own));
                    }
                });
        node.put("layer_norm_eps", NORM_EPSILON);
        return new JsonObject(config.file(), config.prefix(), node);
    }
}
