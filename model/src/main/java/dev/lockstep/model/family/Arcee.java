// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// Arcee's AFM (Arcee AI 2025): Llama with a plain feed-forward and a squared ReLU (So et al.
/// 2021):
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Wdown · max(Wup · n, 0)²
/// ```
public final class Arcee implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("ArceeForCausalLM", "arcee");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.plain(
                                weights, layer + ".mlp.up_proj", layer + ".mlp.down_proj")));
    }
}
