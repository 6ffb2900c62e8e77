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
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// Falcon 7B to 180B (TII 2023): attention and feed-forward are parallel, with one LayerNorm or
/// with one each; the queries, the key and the value of each KV head follow each other in one
/// matrix:
///
/// ```
/// residual += Wo · attention(rotary(q), rotary(k), v) + W₂ · gelu(W₁ · n)
/// ```
public final class Falcon implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("FalconForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "transformer.word_embeddings"),
                layers,
                Norm.layer(weights, "transformer.ln_f"),
                LmHead.load(weights, "transformer.word_embeddings"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "transformer.h." + i;
        String mlp = layer + ".mlp";
        boolean two = weights.has(layer + ".ln_attn.weight");
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + (two ? ".ln_attn" : ".input_layernorm")),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.groupedQkv(
                                        weights, layer + ".self_attention.query_key_value"),
                                SelfAttention.output(weights, layer + ".self_attention.dense"))),
                ResidualBranch.of(
                        second(weights, layer, two),
                        FeedForward.plain(
                                weights, mlp + ".dense_h_to_4h", mlp + ".dense_4h_to_h")));
    }

    private static Norm second(Weights weights, String layer, boolean two) {
        if (two) {
            return Norm.parallel(weights, layer + ".ln_mlp");
        }
        String own = layer + ".post_attention_layernorm";
        return weights.has(own + ".weight") ? Norm.layer(weights, own) : Norm.shared(weights);
    }
}
