// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Set;

/// The keys of a GGUF file's metadata that are read, and those that change nothing.
record GgufKnownKeys(ArchitectureKeys keys) {
    private static final Set<String> KNOWN =
            Set.of(
                    "attention.causal",
                    "attention.head_count",
                    "attention.head_count_kv",
                    "attention.key_length",
                    "attention.layer_norm_epsilon",
                    "attention.layer_norm_rms_epsilon",
                    "attention.scale",
                    "attention.sliding_window",
                    "attention.sliding_window_pattern",
                    "attention.value_length",
                    "expert_count",
                    "expert_feed_forward_length",
                    "expert_gating_func",
                    "expert_group_count",
                    "expert_group_used_count",
                    "expert_used_count",
                    "expert_weights_norm",
                    "expert_weights_scale",
                    "rope.dimension_count",
                    "rope.freq_base",
                    "rope.freq_base_swa",
                    "rope.scale_linear",
                    "rope.scaling.attn_factor",
                    "rope.scaling.factor",
                    "rope.scaling.finetuned",
                    "rope.scaling.original_context_length",
                    "rope.scaling.type",
                    "rope.scaling.yarn_beta_fast",
                    "rope.scaling.yarn_beta_slow",
                    "rope.scaling.yarn_log_multiplier");

    /// Architectures whose sections of M-RoPE all turn by the position in a text.
    private static final Set<String> WITH_EQUAL_SECTIONS =
            Set.of("glm4moe", "qwen2vl", "qwen3vl", "qwen3vlmoe");

    private static final Set<String> WITH_SHARED_EXPERTS =
            Set.of(
                    "deepseek2",
                    "dots1",
                    "ernie4_5-moe",
                    "glm4moe",
                    "granitehybrid",
                    "granitemoe",
                    "qwen2moe",
                    "qwen35moe",
                    "qwen3next");

    /// The key of [PositionConfig.QueryScale], which only Ministral 3 computes.
    static final String QUERY_SCALE = "attention.temperature_scale";

    /// Refuses keys of attention, rope and experts that may change what is computed.
    void requireKnown() {
        for (String each : keys.metadata().keys()) {
            String name =
                    each.startsWith(keys.key("")) ? each.substring(keys.key("").length()) : "";
            if (name.matches("(attention\\.|rope\\.|ssm\\.|expert_).*")
                    && !KNOWN.contains(name)
                    && !isOwn(name)
                    && !keys.metadata().isNeutral(each)) {
                throw keys.metadata()
                        .wrong(each, "present", "absent: nothing is known of this key");
            }
        }
    }

    /// Returns whether a key is known in this architecture and not in all.
    private boolean isOwn(String name) {
        return switch (name) {
            case QUERY_SCALE -> keys.architecture().equals("mistral3");
            case "attention.key_length_mla",
                    "attention.kv_lora_rank",
                    "attention.q_lora_rank",
                    "attention.value_length_mla" ->
                    keys.architecture().equals("deepseek2");
            case "attention.key_length_swa",
                    "attention.value_length_swa",
                    "rope.dimension_count_swa" ->
                    keys.architecture().equals("gemma4");
            case "attention.recurrent_layers" -> isDelta();
            case "attention.shared_kv_layers" ->
                    keys.architecture().equals("gemma3n") || keys.architecture().equals("gemma4");
            case "expert_shared_count", "expert_shared_feed_forward_length" ->
                    WITH_SHARED_EXPERTS.contains(keys.architecture());
            case "rope.dimension_sections" ->
                    isDelta() || WITH_EQUAL_SECTIONS.contains(keys.architecture());
            case "ssm.conv_kernel",
                    "ssm.group_count",
                    "ssm.inner_size",
                    "ssm.state_size",
                    "ssm.time_step_rank" ->
                    isDelta()
                            || keys.architecture().equals("falcon-h1")
                            || keys.architecture().equals("granitehybrid");
            default -> false;
        };
    }

    private boolean isDelta() {
        return keys.architecture().equals("qwen3next")
                || keys.architecture().equals("qwen35")
                || keys.architecture().equals("qwen35moe");
    }
}
