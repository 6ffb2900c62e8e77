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

/// Gemma (Gemma Team 2024): Llama with an embedding times the square root of its width, norms that
/// multiply by 1 + w, GELU, and a head size that need not divide the hidden size.
public final class Gemma implements ModelFamily {
    private static final String GGUF = "gemma";

    @Override
    public Set<String> architectures() {
        return Set.of("GemmaForCausalLM", GGUF);
    }

    @Override
    public Model load(Weights weights) {
        // GGUF files store the sum 1 + w.
        float added = weights.config().architecture().equals(GGUF) ? 0 : 1;
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i, added));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens")
                        .times(Math.sqrt(weights.config().hiddenSize())),
                layers,
                Norm.rms(weights, "model.norm", added),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, float added) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm", added),
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm", added),
                        FeedForward.gated(weights, layer + ".mlp")));
    }
}
