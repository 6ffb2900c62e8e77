// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// StableLM 2 and Zephyr 3B (Stability AI 2023): Llama with LayerNorms and a rope of a part of a
/// head; larger models have parallel branches and a LayerNorm of each head of q and k:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Wdown · (silu(Wgate · n) ⊙ (Wup · n))
/// ```
public final class StableLm implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("StableLmForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.layer(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String second = layer + ".post_attention_layernorm";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".input_layernorm"),
                        attention(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        weights.has(second + ".weight")
                                ? Norm.layer(weights, second)
                                : Norm.shared(weights),
                        FeedForward.gated(weights, layer + ".mlp")));
    }

    private static SelfAttention attention(Weights weights, int i, String attention) {
        SelfAttention plain = SelfAttention.rotary(weights, i, attention);
        return weights.has(attention + ".q_layernorm.norms.0.weight")
                ? plain.with(QueryKeyNorm.layerOfEachHead(weights, attention))
                : plain;
    }
}
