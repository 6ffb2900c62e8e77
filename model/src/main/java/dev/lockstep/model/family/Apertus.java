// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// Apertus (Swiss AI 2025): Llama with norms of the heads of q and k, and a plain feed-forward with
/// xIELU (Huang and Schlag 2024), whose parameters each layer has learnt:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Wdown · xielu(Wup · n)
/// ```
public final class Apertus implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("ApertusForCausalLM", "apertus");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".attention_layernorm"),
                        SelfAttention.rotary(weights, i, attention)
                                .with(QueryKeyNorm.perHead(weights, attention, 0))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".feedforward_layernorm"),
                        FeedForward.learnt(weights, layer + ".mlp")));
    }
}
