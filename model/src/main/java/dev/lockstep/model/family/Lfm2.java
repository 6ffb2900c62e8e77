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
import dev.lockstep.model.layer.ShortConvolution;
import java.util.List;
import java.util.Set;

/// LFM2 (Liquid AI 2025): gated short convolutions, and attention with norms of q and k in some
/// layers.
public final class Lfm2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Lfm2ForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.rms(weights, "model.embedding_norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String mlp = layer + ".feed_forward";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".operator_norm"), mixer(weights, i, layer)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".ffn_norm"),
                        FeedForward.gated(weights, mlp + ".w1", mlp + ".w3", mlp + ".w2")));
    }

    private static ResidualBranch.Sublayer mixer(Weights weights, int i, String layer) {
        if (weights.config().keepsState(i)) {
            return ShortConvolution.load(weights, i, layer + ".conv");
        }
        String attention = layer + ".self_attn";
        return SelfAttention.rotary(
                        weights,
                        i,
                        SelfAttention.qkv(weights, attention),
                        SelfAttention.output(weights, attention + ".out_proj"))
                .with(
                        QueryKeyNorm.perHead(
                                weights,
                                attention + ".q_layernorm",
                                attention + ".k_layernorm",
                                0));
    }
}
