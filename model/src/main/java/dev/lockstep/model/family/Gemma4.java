// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.AttentionConfig;
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

/// Gemma 4 (Google 2026), dense, text: Gemma 3 with norms of the heads of v too, scores that are
/// not scaled, larger and fewer heads in layers without a window, whose keys may be their values,
/// and a factor of the residual after each layer:
///
/// ```
/// residual += norm(Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), norm(Wv · n)))
/// residual += norm(Wdown · (gelu(Wgate · n) ⊙ (Wup · n)))
/// residual *= factor
/// ```
public final class Gemma4 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma4ForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens")
                        .times(Math.sqrt(weights.config().hiddenSize())),
                layers,
                normAfterLayer(weights, weights.config().layerCount() - 1, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                                normAfterLayer(weights, i - 1, layer + ".input_layernorm"),
                                attention(weights, i, layer + ".self_attn"))
                        .withPostNorm(Norm.rms(weights, layer + ".post_attention_layernorm")),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".pre_feedforward_layernorm"),
                                FeedForward.gated(weights, layer + ".mlp"))
                        .withPostNorm(Norm.rms(weights, layer + ".post_feedforward_layernorm")));
    }

    /// Loads a norm of the residual, which the layer before multiplies.
    private static Norm normAfterLayer(Weights weights, int before, String name) {
        Norm.Rms norm = Norm.rms(weights, name);
        return before < 0
                ? norm
                : new Norm.Scaled(
                        norm, weights.scalar("model.layers.%d.layer_scalar".formatted(before)));
    }

    private static SelfAttention attention(Weights weights, int i, String attention) {
        AttentionConfig heads = weights.config().attention(i);
        String keys = attention + ".k_proj";
        String values = attention + ".v_proj";
        return SelfAttention.rotary(
                        weights,
                        i,
                        SelfAttention.qkv(
                                weights,
                                heads,
                                attention + ".q_proj",
                                keys,
                                weights.has(values + ".weight") ? values : keys),
                        SelfAttention.output(weights, heads, attention + ".o_proj"))
                .with(QueryKeyNorm.ofValuesToo(weights, attention, heads));
    }
}
