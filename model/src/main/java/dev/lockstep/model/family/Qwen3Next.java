// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.GatedAttention;
import dev.lockstep.model.layer.GatedDeltaNet;
import dev.lockstep.model.layer.GatedSharedExpert;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import java.util.List;
import java.util.Set;

/// Qwen3-Next (Qwen team 2025): gated delta nets, gated attention in some layers, and a mixture of
/// experts beside a shared one in every layer. Weights of norms are stored minus 1, but for the one
/// in the delta net.
public final class Qwen3Next implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Qwen3NextForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.rms(weights, "model.norm", 1),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        var names = MixtureOfExperts.Names.of(layer + ".mlp.experts");
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm", 1), mixer(weights, i, layer)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm", 1),
                        GatedSharedExpert.load(
                                weights,
                                layer + ".mlp",
                                MixtureOfExperts.load(weights, layer + ".mlp.gate", names))));
    }

    private static ResidualBranch.Sublayer mixer(Weights weights, int i, String layer) {
        if (weights.config().keepsState(i)) {
            return GatedDeltaNet.merged(weights, i, layer + ".linear_attn");
        }
        String attention = layer + ".self_attn";
        return GatedAttention.rotary(
                weights, i, attention, QueryKeyNorm.perHead(weights, attention, 1));
    }
}
