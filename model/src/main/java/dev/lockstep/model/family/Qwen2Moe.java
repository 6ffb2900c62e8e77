// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.SharedExpert;
import java.util.Set;

/// Qwen2-MoE (Yang et al. 2024): Llama with biases of q, k and v, and a mixture of experts with a
/// shared one, of whose output a gate lets a share through:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + σ(g · n) · shared(n)
/// ```
public final class Qwen2Moe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Qwen2MoeForCausalLM", "qwen2moe");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, attention)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, i, layer + ".mlp")));
    }

    private static FeedForward feedForward(Weights weights, int i, String mlp) {
        if (!weights.config().hasExperts(i)) {
            return FeedForward.dense(weights, mlp);
        }
        return MixtureOfExperts.load(
                        weights, mlp + ".gate", ExpertSource.Separate.of(mlp + ".experts"))
                .with(SharedExpert.gated(weights, mlp));
    }
}
