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

/// Command R, R+ and R7B (Cohere 2024): attention and feed-forward read the same n, the residual
/// after a LayerNorm without bias; the rope turns adjacent pairs. Command R+ has a LayerNorm of
/// each head of q and k before the rotation; in Command R7B only layers with a window have a rope:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
///           + Wdown · (silu(Wgate · n) ⊙ (Wup · n))
/// ```
public final class Cohere implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("CohereForCausalLM", "Cohere2ForCausalLM", "command-r", "cohere2");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.layerWithoutBias(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layerWithoutBias(weights, layer + ".input_layernorm"),
                        attention(weights, i, attention)),
                ResidualBranch.of(
                        Norm.shared(weights), FeedForward.gated(weights, layer + ".mlp")));
    }

    private static SelfAttention attention(Weights weights, int i, String attention) {
        SelfAttention plain =
                SelfAttention.rotary(
                        weights,
                        i,
                        SelfAttention.qkvOfPairs(weights, attention),
                        SelfAttention.output(weights, attention + ".o_proj"));
        return weights.has(attention + ".q_norm.weight")
                ? plain.with(
                        QueryKeyNorm.layerPerHead(
                                weights, attention, SelfAttention.orderOfPairs(weights)))
                : plain;
    }
}
