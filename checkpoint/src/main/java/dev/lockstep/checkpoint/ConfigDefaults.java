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

    private static final String DEEPSEEK_V2 =
            """
            {"n_routed_experts": 64, "n_shared_experts": 2, "kv_lora_rank": 512,
             "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
             "v_head_dim": 128, "topk_method": "greedy", "moe_intermediate_size": 1407}""";

    private static final String DEEPSEEK_V3 =
            """
            {"n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
             "n_group": 8, "topk_group": 4, "routed_scaling_factor": 2.5,
             "first_k_dense_replace": 3, "norm_topk_prob": true, "kv_lora_rank": 512,
             "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
             "v_head_dim": 128, "rope_interleave": true, "moe_intermediate_size": 2048}""";

    private static final String ERNIE_MOE =
            """
            {"moe_num_experts": 64, "moe_k": 6, "moe_num_shared_experts": 2,
             "moe_layer_start_index": 1, "moe_intermediate_size": 1536}""";

    private static final String GLM_4_MOE =
            """
            {"n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 8,
             "first_k_dense_replace": 1, "norm_topk_prob": true, "partial_rotary_factor": 0.5,
             "moe_intermediate_size": 1408}""";

    private static final String GPT_OSS =
            """
            {"head_dim": 64, "num_local_experts": 128, "num_experts_per_tok": 4,
             "sliding_window": 128, "sliding_window_pattern": 2}""";

    private static final String GRANITE_MOE =
            """
            {"num_local_experts": 8, "num_experts_per_tok": 2, "attention_multiplier": 1}""";

    private static final Map<String, String> BY_MODEL_TYPE =
            Map.ofEntries(
                    Map.entry(
                            "gemma2",
                            """
                            {"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 4096,
                             "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}"""),
                    Map.entry("deepseek_v2", DEEPSEEK_V2),
                    Map.entry("deepseek_v3", DEEPSEEK_V3),
                    Map.entry("dots1", "{\"use_sliding_window\": true}"),
                    Map.entry("ernie4_5_moe", ERNIE_MOE),
                    Map.entry("gemma3", GEMMA_3),
                    Map.entry("gemma3_text", GEMMA_3),
                    Map.entry("glm4_moe", GLM_4_MOE),
                    Map.entry("gpt_oss", GPT_OSS),
                    Map.entry("granite", "{\"attention_multiplier\": 1}"),
                    Map.entry("granitemoe", GRANITE_MOE),
                    Map.entry("granitemoeshared", GRANITE_MOE),
                    Map.entry("kimi_k2", DEEPSEEK_V3),
                    Map.entry(
                            "minimax_m2",
                            """
                            {"num_local_experts": 256, "num_experts_per_tok": 8, "head_dim": 128}"""),
                    Map.entry("mistral", "{\"sliding_window\": 4096}"),
                    Map.entry("mixtral", "{\"num_local_experts\": 8, \"num_experts_per_tok\": 2}"),
                    Map.entry("olmoe", "{\"num_experts\": 64, \"num_experts_per_tok\": 8}"),
                    Map.entry("phi3", "{\"original_max_position_embeddings\": 4096}"),
                    Map.entry("qwen2", "{\"use_sliding_window\": false}"),
                    Map.entry(
                            "qwen2_moe",
                            """
                            {"use_sliding_window": false, "num_experts": 60,
                             "num_experts_per_tok": 4, "shared_expert_intermediate_size": 5632}"""),
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
                    "ernie4_5_moe", "{\"rope_theta\": 5e5}",
                    "gpt_oss",
                            """
                            {"rope_theta": 15e4, "rope_scaling": {"rope_type": "yarn",
                             "factor": 32, "truncate": false,
                             "original_max_position_embeddings": 4096}}""",
                    "minimax_m2", "{\"rope_theta\": 5e6}",
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
