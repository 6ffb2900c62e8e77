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

/// Phi-1, 1.5 and 2 (Microsoft 2023): attention and feed-forward read the same n, the residual
/// after a LayerNorm; a rope of a part of a head, and biases everywhere, the head's too:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n) + W₂ · gelu(W₁ · n)
/// ```
public final class Phi implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("PhiForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.layer(weights, "model.final_layernorm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.qkv(weights, attention),
                                SelfAttention.output(weights, attention + ".dense"))),
                ResidualBranch.of(
                        Norm.shared(weights),
                        FeedForward.plain(weights, layer + ".mlp.fc1", layer + ".mlp.fc2")));
    }
}
