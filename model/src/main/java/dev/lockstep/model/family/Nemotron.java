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

/// Nemotron-4 and Minitron (Parmar et al. 2024): LayerNorms whose weight is stored less 1, a rope
/// over half of a head, and a plain feed-forward with a squared ReLU (So et al. 2021):
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Wdown · max(Wup · n, 0)²
/// ```
public final class Nemotron implements ModelFamily {
    private static final String GGUF = "nemotron";

    @Override
    public Set<String> architectures() {
        return Set.of("NemotronForCausalLM", GGUF);
    }

    @Override
    public Model load(Weights weights) {
        // GGUF files store the sum 1 + w.
        float added = weights.config().architecture().equals(GGUF) ? 0 : 1;
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i, added));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.layer(weights, "model.norm", added),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, float added) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".input_layernorm", added),
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".post_attention_layernorm", added),
                        FeedForward.plain(
                                weights, layer + ".mlp.up_proj", layer + ".mlp.down_proj")));
    }
}
