// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.HashMap;
import java.util.Map;

/// The Hugging Face names of the tensors of a GGUF file's blocks in which an architecture differs
/// from most: parts are names without `.weight` and `.bias`, whole names have no such ending there.
record GgufFamilyNames(Map<String, String> parts, Map<String, String> whole) {
    private static final Map<String, String> CORRECTION =
            Map.of("exp_probs_b.bias", "mlp.gate.e_score_correction_bias");

    /// `A` is −e^A_log, which conversions store in place of `A_log`.
    private static final Map<String, String> DELTA_NET =
            Map.of("ssm_a", "linear_attn.A", "ssm_dt.bias", "linear_attn.dt_bias");

    private static final Map<String, String> MAMBA =
            Map.of("ssm_a", "mamba.A", "ssm_d", "mamba.D", "ssm_dt.bias", "mamba.dt_bias");

    /// The norm has no ending.
    private static final Map<String, String> FALCON_NORM =
            Map.of("ffn_norm", "pre_ff_layernorm.weight");

    GgufFamilyNames {
        parts = Map.copyOf(parts);
        whole = Map.copyOf(whole);
    }

    static GgufFamilyNames of(String architecture) {
        return switch (architecture) {
            case "apertus" ->
                    parts(
                            Map.of(
                                    "attn_norm", "attention_layernorm",
                                    "ffn_norm", "feedforward_layernorm"));
            case "deepseek2" -> new GgufFamilyNames(latent(), CORRECTION);
            case "dots1", "glm4moe" -> new GgufFamilyNames(Map.of(), CORRECTION);
            case "ernie4_5-moe" ->
                    new GgufFamilyNames(
                            Map.of(),
                            Map.of("exp_probs_b.bias", "mlp.moe_statics.e_score_correction_bias"));
            case "falcon-h1" -> new GgufFamilyNames(falconH1(), with(MAMBA, FALCON_NORM));
            case "gemma2", "gemma3", "gemma-embedding" ->
                    parts(Map.of("ffn_norm", "pre_feedforward_layernorm"));
            case "gemma3n" ->
                    new GgufFamilyNames(
                            gemma3n(),
                            Map.of("altup_correct_scale.weight", "altup.correct_output_scale"));
            case "gemma4" ->
                    new GgufFamilyNames(
                            gemma4(),
                            Map.of(
                                    "layer_output_scale.weight", "layer_scalar",
                                    "ffn_gate_inp.scale", "router.scale",
                                    "ffn_down_exps.scale", "router.per_expert_scale"));
            case "glm4" ->
                    parts(
                            Map.of(
                                    "ffn_up", "mlp.gate_up_proj",
                                    "post_attention_norm", "post_self_attn_layernorm",
                                    "post_ffw_norm", "post_mlp_layernorm"));
            case "gpt-oss" ->
                    new GgufFamilyNames(
                            Map.of("ffn_gate_inp", "mlp.router"),
                            Map.of("attn_sinks.weight", "self_attn.sinks"));
            case "granitehybrid" -> new GgufFamilyNames(with(mamba(), granite()), MAMBA);
            case "granitemoe" -> parts(granite());
            case "hunyuan-dense" ->
                    parts(
                            Map.of(
                                    "attn_q_norm", "self_attn.query_layernorm",
                                    "attn_k_norm", "self_attn.key_layernorm"));
            case "lfm2" -> parts(lfm2());
            case "lfm2moe" ->
                    new GgufFamilyNames(
                            with(lfm2(), lfm2Experts()),
                            Map.of("exp_probs_b.bias", "feed_forward.expert_bias"));
            case "minimax-m2" -> new GgufFamilyNames(miniMax(), miniMaxCorrection());
            case "phi3" -> parts(Map.of("ffn_up", "mlp.gate_up_proj"));
            case "qwen2moe" -> parts(sharedExpert("mlp.shared_expert"));
            case "qwen3next", "qwen35", "qwen35moe" ->
                    new GgufFamilyNames(
                            with(deltaNet(), sharedExpert("mlp.shared_expert")), DELTA_NET);
            case "starcoder2" -> parts(Map.of("ffn_up", "mlp.c_fc", "ffn_down", "mlp.c_proj"));
            default -> parts(Map.of());
        };
    }

    private static GgufFamilyNames parts(Map<String, String> parts) {
        return new GgufFamilyNames(parts, Map.of());
    }

    private static Map<String, String> with(Map<String, String> some, Map<String, String> others) {
        Map<String, String> all = new HashMap<>(some);
        all.putAll(others);
        return all;
    }

    private static Map<String, String> sharedExpert(String prefix) {
        return Map.of(
                "ffn_gate_shexp", prefix + ".gate_proj",
                "ffn_up_shexp", prefix + ".up_proj",
                "ffn_down_shexp", prefix + ".down_proj",
                "ffn_gate_inp_shexp", prefix + "_gate");
    }

    private static Map<String, String> granite() {
        return with(
                sharedExpert("shared_mlp"),
                Map.of("ffn_gate_inp", "block_sparse_moe.router.layer"));
    }

    private static Map<String, String> mamba() {
        return Map.of(
                "ssm_in", "mamba.in_proj",
                "ssm_conv1d", "mamba.conv1d",
                "ssm_norm", "mamba.norm",
                "ssm_out", "mamba.out_proj");
    }

    private static Map<String, String> falconH1() {
        return with(
                mamba(),
                Map.of(
                        "ffn_gate", "feed_forward.gate_proj",
                        "ffn_up", "feed_forward.up_proj",
                        "ffn_down", "feed_forward.down_proj"));
    }

    private static Map<String, String> lfm2() {
        return Map.ofEntries(
                Map.entry("attn_norm", "operator_norm"),
                Map.entry("attn_q_norm", "self_attn.q_layernorm"),
                Map.entry("attn_k_norm", "self_attn.k_layernorm"),
                Map.entry("attn_output", "self_attn.out_proj"),
                Map.entry("ffn_norm", "ffn_norm"),
                Map.entry("ffn_gate", "feed_forward.w1"),
                Map.entry("ffn_up", "feed_forward.w3"),
                Map.entry("ffn_down", "feed_forward.w2"),
                Map.entry("shortconv.conv", "conv.conv"),
                Map.entry("shortconv.in_proj", "conv.in_proj"),
                Map.entry("shortconv.out_proj", "conv.out_proj"));
    }

    private static Map<String, String> lfm2Experts() {
        return Map.of(
                "ffn_gate_inp", "feed_forward.gate",
                "ffn_gate_exps", "feed_forward.experts.w1",
                "ffn_up_exps", "feed_forward.experts.w3",
                "ffn_down_exps", "feed_forward.experts.w2",
                "ffn_gate_up_exps", "feed_forward.experts.gate_up_proj");
    }

    private static Map<String, String> layerInputs() {
        return Map.of(
                "ffn_norm", "pre_feedforward_layernorm",
                "inp_gate", "per_layer_input_gate",
                "proj", "per_layer_projection",
                "post_norm", "post_per_layer_input_norm");
    }

    private static Map<String, String> gemma3n() {
        return with(
                layerInputs(),
                Map.of(
                        "altup_correct_coef", "altup.correction_coefs",
                        "altup_predict_coef", "altup.prediction_coefs",
                        "altup_router", "altup.modality_router",
                        "altup_router_norm", "altup.router_norm",
                        "laurel_l", "laurel.linear_left",
                        "laurel_r", "laurel.linear_right",
                        "laurel_post_norm", "laurel.post_laurel_norm"));
    }

    private static Map<String, String> gemma4() {
        return with(
                layerInputs(),
                Map.of(
                        "ffn_gate_inp", "router.proj",
                        "ffn_gate_exps", "experts.gate_proj",
                        "ffn_up_exps", "experts.up_proj",
                        "ffn_gate_up_exps", "experts.gate_up_proj",
                        "ffn_down_exps", "experts.down_proj",
                        "pre_ffw_norm_2", "pre_feedforward_layernorm_2",
                        "post_ffw_norm_1", "post_feedforward_layernorm_1",
                        "post_ffw_norm_2", "post_feedforward_layernorm_2"));
    }

    /// Older files have the projections of a delta net, or of keys and values, in one matrix.
    private static Map<String, String> deltaNet() {
        return Map.of(
                "attn_qkv", "linear_attn.in_proj_qkv",
                "attn_gate", "linear_attn.in_proj_z",
                "ssm_in", "linear_attn.in_proj_qkvz",
                "ssm_ba", "linear_attn.in_proj_ba",
                "ssm_beta", "linear_attn.in_proj_b",
                "ssm_alpha", "linear_attn.in_proj_a",
                "ssm_conv1d", "linear_attn.conv1d",
                "ssm_norm", "linear_attn.norm",
                "ssm_out", "linear_attn.out_proj");
    }

    private static Map<String, String> latent() {
        return Map.of(
                "attn_q_a", "self_attn.q_a_proj",
                "attn_q_a_norm", "self_attn.q_a_layernorm",
                "attn_q_b", "self_attn.q_b_proj",
                "attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa",
                "attn_kv_a_norm", "self_attn.kv_a_layernorm",
                "attn_kv_b", "self_attn.kv_b_proj",
                "attn_k_b", "self_attn.k_b_proj",
                "attn_v_b", "self_attn.v_b_proj");
    }

    private static Map<String, String> miniMax() {
        String block = "block_sparse_moe";
        return Map.of(
                "ffn_gate_inp", block + ".gate",
                "ffn_gate_exps", block + ".experts.w1",
                "ffn_up_exps", block + ".experts.w3",
                "ffn_down_exps", block + ".experts.w2",
                "ffn_gate_up_exps", block + ".experts.gate_up_proj");
    }

    private static Map<String, String> miniMaxCorrection() {
        return Map.of("exp_probs_b.bias", "block_sparse_moe.e_score_correction_bias");
    }
}
