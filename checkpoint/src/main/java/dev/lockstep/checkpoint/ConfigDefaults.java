// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/// What an absent key of `config.json` means in a family, where that differs from the other
/// families and changes what is computed.
///
/// Transformers has these defaults in the family's configuration class. A key that is null is not
/// absent: it switches something off.
final class ConfigDefaults {
    private static final String GEMMA_3 =
            """
            {"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 4096}""";

    private static final Map<String, String> BY_MODEL_TYPE =
            Map.ofEntries(
                    Map.entry(
                            "gemma2",
                            """
                            {"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 4096,
                             "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}"""),
                    Map.entry("gemma3", GEMMA_3),
                    Map.entry("gemma3_text", GEMMA_3),
                    Map.entry("granite", "{\"attention_multiplier\": 1}"),
                    Map.entry("mistral", "{\"sliding_window\": 4096}"),
                    Map.entry("mixtral", "{\"num_local_experts\": 8, \"num_experts_per_tok\": 2}"),
                    Map.entry("phi3", "{\"original_max_position_embeddings\": 4096}"),
                    Map.entry("qwen2", "{\"use_sliding_window\": false}"),
                    Map.entry("qwen3", "{\"use_sliding_window\": false, \"head_dim\": 128}"),
                    Map.entry(
                            "qwen3_moe",
                            """
                            {"use_sliding_window": false, "num_experts": 128,
                             "num_experts_per_tok": 8}"""));

    /// Keys that `rope_parameters` replaces.
    private static final Map<String, String> ROPE =
            Map.of(
                    "gemma3", "{\"rope_theta\": 1e6, \"rope_local_base_freq\": 1e4}",
                    "gemma3_text", "{\"rope_theta\": 1e6, \"rope_local_base_freq\": 1e4}",
                    "mixtral", "{\"rope_theta\": 1e6}");

    private ConfigDefaults() {}

    /// Returns the configuration with the defaults of its `model_type`.
    static JsonObject complete(JsonObject config) {
        String type = config.text("model_type").orElse("");
        ObjectNode node = config.node().deepCopy();
        add(config, node, BY_MODEL_TYPE.getOrDefault(type, "{}"));
        if (!config.has("rope_parameters")) {
            add(config, node, ROPE.getOrDefault(type, "{}"));
        }
        return new JsonObject(config.file(), config.prefix(), node);
    }

    private static void add(JsonObject config, ObjectNode node, String defaults) {
        JsonObject absent =
                JsonObject.parse(config.file(), defaults.getBytes(StandardCharsets.UTF_8));
        for (Map.Entry<String, JsonNode> entry : absent.entries()) {
            if (!node.has(entry.getKey())) {
                node.set(entry.getKey(), entry.getValue());
            }
        }
    }
}
