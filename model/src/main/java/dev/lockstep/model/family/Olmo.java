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

/// OLMo (Groeneveld et al. 2024): Llama whose norms are LayerNorms without weights.
public final class Olmo implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("OlmoForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        Norm.Layer norm = Norm.layerWithoutWeights(weights);
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i, norm));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                norm,
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, Norm norm) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(norm, SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(norm, FeedForward.gated(weights, layer + ".mlp")));
    }
}
