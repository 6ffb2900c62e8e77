// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.ShortConvolution;
import java.util.List;
import java.util.Set;

/// LFM2 (Liquid AI 2025): gated short convolutions, and attention with norms of q and k in some
/// layers; dense, or with a mixture of experts after the first layers.
public final class Lfm2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Lfm2ForCausalLM", "Lfm2MoeForCausalLM", "lfm2", "lfm2moe");
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
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".operator_norm"), mixer(weights, i, layer)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".ffn_norm"),
                        feedForward(weights, i, layer + ".feed_forward")));
    }

    private static FeedForward feedForward(Weights weights, int i, String mlp) {
        if (weights.config().details().experts().isEmpty()) {
            return FeedForward.gated(weights, mlp + ".w1", mlp + ".w3", mlp + ".w2");
        }
        if (!weights.config().hasExperts(i)) {
            return FeedForward.dense(weights, mlp + ".w1", mlp + ".w3", mlp + ".w2");
        }
        String correction = mlp + ".expert_bias";
        Router router =
                weights.has(correction)
                        ? Router.corrected(weights, mlp + ".gate", correction)
                        : Router.load(weights, mlp + ".gate");
        return MixtureOfExperts.load(
                weights, router, new ExpertSource.Separate(mlp + ".experts", "w1", "w3", "w2"));
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
