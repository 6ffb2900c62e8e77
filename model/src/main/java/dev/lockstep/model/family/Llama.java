// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// Llama (Touvron et al. 2023), with n the residual after RMSNorm, in each layer:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Wdown · (silu(Wgate · n) ⊙ (Wup · n))
/// ```
///
/// Serves Llama 1 to 3, SmolLM and many others, and the architectures that compute the same:
/// Mistral (Jiang et al. 2023), whose window the configuration gives; Qwen2 (Yang et al. 2024),
/// Seed-OSS and InternLM 3, whose biases are in the checkpoint; and SmolLM3 (Bakouch et al. 2025),
/// whose configuration names layers without rope.
public final class Llama implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of(
                "LlamaForCausalLM",
                "llama",
                "MistralForCausalLM",
                "mistral",
                "Qwen2ForCausalLM",
                "qwen2",
                "qwen2vl",
                "InternLM3ForCausalLM",
                "MinistralForCausalLM",
                "SeedOssForCausalLM",
                "seed_oss",
                "SmolLM3ForCausalLM",
                "smollm3");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.gated(weights, layer + ".mlp")));
    }
}
