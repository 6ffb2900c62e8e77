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
import java.util.List;
import java.util.Set;

/// Gemma 3 (Gemma Team 2025), text only: Gemma 2 with norms of the heads of q and k instead of soft
/// caps, five layers with a window to one without, and a separate rope for each kind:
///
/// ```
/// residual += norm(Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n))
/// residual += norm(Wdown · (gelu(Wgate · n) ⊙ (Wup · n)))
/// ```
///
/// EmbeddingGemma (Vera et al. 2025) is an encoder of it, whose windows have two sides.
public final class Gemma3 implements ModelFamily {
    private static final Set<String> GGUF = Set.of("gemma3", "gemma-embedding");

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma3ForCausalLM", "Gemma3TextModel", "gemma3", "gemma-embedding");
    }

    @Override
    public Model load(Weights weights) {
        // GGUF files store the sum 1 + w.
        float added = GGUF.contains(weights.config().architecture()) ? 0 : 1;
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
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".input_layernorm", added),
                                SelfAttention.rotary(weights, i, attention)
                                        .with(QueryKeyNorm.perHead(weights, attention, added)))
                        .withPostNorm(
                                Norm.rms(weights, layer + ".post_attention_layernorm", added)),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".pre_feedforward_layernorm", added),
                                FeedForward.gated(weights, layer + ".mlp"))
                        .withPostNorm(
                                Norm.rms(weights, layer + ".post_feedforward_layernorm", added)));
    }
}
