// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// Qwen3-MoE (Yang et al. 2025): Qwen3's attention, and a mixture of experts in place of each
/// layer's feed-forward:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n)
/// ```
public final class Qwen3Moe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Qwen3MoeForCausalLM", "qwen3moe");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, attention)
                                .with(QueryKeyNorm.perHead(weights, attention, 0))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        MixtureOfExperts.load(
                                weights,
                                layer + ".mlp.gate",
                                MixtureOfExperts.Names.of(layer + ".mlp.experts"))));
    }
}
