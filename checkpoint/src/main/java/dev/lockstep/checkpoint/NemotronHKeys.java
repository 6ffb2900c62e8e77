// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The keys of Nemotron-H under the names that other families have for them.
///
/// Each of its layers has one branch: Mamba-2, attention, a feed-forward or a mixture of experts,
/// as `layers_block_type` or `hybrid_override_pattern` says.
record NemotronHKeys(JsonObject config) {
    private static final String TYPE = "nemotron_h";

    private static final Map<String, String> NAMES =
            Map.of(
                    "conv_kernel", "mamba_d_conv",
                    "mamba_head_dim", "mamba_d_head",
                    "mamba_num_heads", "mamba_n_heads",
                    "mlp_hidden_act", "hidden_act",
                    "moe_shared_expert_intermediate_size", "shared_expert_intermediate_size",
                    "n_groups", "mamba_n_groups",
                    "ssm_state_size", "mamba_d_state");

    private static final List<String> OF_EXPERTS =
            List.of(
                    "moe_intermediate_size",
                    "moe_shared_expert_intermediate_size",
                    "n_routed_experts",
                    "num_experts_per_tok");

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    /// The list of kinds decides the number of layers, whatever `num_hidden_layers` says.
    JsonObject renamed() {
        config.integer("num_hidden_layers");
        List<String> kinds = kinds();
        ObjectNode node = config.node().deepCopy();
        config.text("mamba_hidden_act")
                .filter(activation -> !activation.equals("silu"))
                .ifPresent(
                        activation -> {
                            throw config.wrong("mamba_hidden_act", activation, "silu");
                        });
        if (kinds.contains("moe")) {
            if (config.has("moe_latent_size")) {
                config.requireFalse("mlp_bias");
            }
        } else {
            node.remove(OF_EXPERTS);
        }
        NAMES.forEach(
                (own, common) -> {
                    JsonNode value = node.remove(own);
                    if (value != null) {
                        node.set(common, value);
                    }
                });
        int heads = config.requireInteger("mamba_num_heads");
        node.put("mamba_d_ssm", heads * config.requireInteger("mamba_head_dim"));
        node.putArray("time_step_limit").add(config.number("time_step_min").orElse(0.001));
        node.put("num_hidden_layers", kinds.size());
        ArrayNode types = node.putArray("layer_types");
        ArrayNode feedForwards = node.putArray("mlp_layer_types");
        for (String kind : kinds) {
            types.add(kind.equals("mlp") || kind.equals("moe") ? LayerTypes.FEED_FORWARD : kind);
            feedForwards.add(kind.equals("moe") ? "sparse" : "dense");
        }
        return new JsonObject(config.file(), config.prefix(), node);
    }

    private List<String> kinds() {
        List<String> named = config.texts("layers_block_type");
        if (!named.isEmpty()) {
            return named;
        }
        String key = "hybrid_override_pattern";
        String pattern =
                config.text(key).orElseThrow(() -> config.missing("layers_block_type", key));
        List<String> kinds = new ArrayList<>();
        for (int layer = 0; layer < pattern.length(); layer++) {
            kinds.add(
                    switch (pattern.charAt(layer)) {
                        case 'M' -> "mamba";
                        case '*' -> "attention";
                        case '-' -> "mlp";
                        case 'E' -> "moe";
                        default -> throw config.wrong(key, pattern, "a text of M, *, - and E");
                    });
        }
        return kinds;
    }
}
