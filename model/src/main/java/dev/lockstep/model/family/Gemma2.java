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

/// Gemma 2 (Gemma Team 2024): Llama with the embedding times the root of the hidden size, norms
/// before and after both branches whose factor is 1 + w, GELU, soft caps on scores and logits, and
/// a window in every second layer:
///
/// ```
/// residual += norm(Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n))
/// residual += norm(Wdown · (gelu(Wgate · n) ⊙ (Wup · n)))
/// ```
public final class Gemma2 implements ModelFamily {
    private static final String GGUF = "gemma2";

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma2ForCausalLM", GGUF);
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
                                SelfAttention.rotary(weights, i, layer + ".self_attn"))
                        .withPostNorm(
                                Norm.rms(weights, layer + ".post_attention_layernorm", added)),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".pre_feedforward_layernorm", added),
                                FeedForward.gated(weights, layer + ".mlp"))
                        .withPostNorm(
                                Norm.rms(weights, layer + ".post_feedforward_layernorm", added)));
    }
}
