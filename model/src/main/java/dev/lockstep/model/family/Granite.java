// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// Granite (IBM 2024): Llama with factors on the embedding, on both branches of a layer, on
/// attention scores and on the logits:
///
/// ```
/// residual += factor · Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += factor · Wdown · (silu(Wgate · n) ⊙ (Wup · n))
/// ```
public final class Granite implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GraniteForCausalLM", "granite");
    }

    @Override
    public Model load(Weights weights) {
        DecoderDetails details = weights.config().details();
        List<Decoder.Layer> layers =
                Decoder.layers(weights, i -> layer(weights, i, details.residualMultiplier()));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens").times(details.embeddingMultiplier()),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, double factor) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".input_layernorm"),
                                SelfAttention.rotary(weights, i, layer + ".self_attn"))
                        .times(factor),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".post_attention_layernorm"),
                                FeedForward.gated(weights, layer + ".mlp"))
                        .times(factor));
    }
}
