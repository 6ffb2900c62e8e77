// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// A user's family, registered in `META-INF/services`: Llama with its embedding doubled. It also
/// serves an architecture that Lockstep serves itself.
public final class Doubled implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("DoubledForCausalLM", "mistral");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens").times(2),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.gated(weights, layer + ".mlp")));
    }
}
