// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.GatedAttention;
import dev.lockstep.model.layer.GatedDeltaNet;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SharedExpert;
import java.util.List;
import java.util.Set;

/// The text model of Qwen3.5 (Qwen team 2026): Qwen3-Next with plain feed-forwards or with experts,
/// and a matrix for each projection of a delta net.
public final class Qwen35 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM", "qwen35", "qwen35moe");
    }

    @Override
    public Model load(Weights weights) {
        // GGUF files store the sum 1 + w.
        float added = weights.config().architecture().startsWith("qwen35") ? 0 : 1;
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i, added));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.rms(weights, "model.norm", added),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, float added) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm", added),
                        mixer(weights, i, layer, added)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm", added),
                        feedForward(weights, layer + ".mlp")));
    }

    private static FeedForward feedForward(Weights weights, String mlp) {
        if (weights.config().details().experts().isEmpty()) {
            return FeedForward.gated(weights, mlp);
        }
        ExpertSource experts = ExpertSource.mergedOrSeparate(weights, mlp + ".experts");
        return MixtureOfExperts.load(weights, mlp + ".gate", experts)
                .with(SharedExpert.gated(weights, mlp));
    }

    private static ResidualBranch.Sublayer mixer(
            Weights weights, int i, String layer, float added) {
        if (weights.config().keepsState(i)) {
            return GatedDeltaNet.load(weights, i, layer + ".linear_attn");
        }
        String attention = layer + ".self_attn";
        return GatedAttention.rotary(
                weights, i, attention, QueryKeyNorm.perHead(weights, attention, added));
    }
}
