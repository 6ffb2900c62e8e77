// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryScale;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Optional;
import java.util.Set;

/// Ministral 3 (Mistral AI 2025): Llama with queries that grow with their position p, to keep the
/// softmax sharp beyond the c positions of the first training:
///
/// ```
/// q         = (1 + β · ln(1 + ⌊p / c⌋)) · Wq · n
/// residual += Wo · attention(rotary(q), rotary(Wk · n), Wv · n)
/// residual += Wdown · (silu(Wgate · n) ⊙ (Wup · n))
/// ```
public final class Ministral3 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Ministral3ForCausalLM", "mistral3");
    }

    @Override
    public Model load(Weights weights) {
        Optional<QueryScale> scale = QueryScale.load(weights);
        return Decoder.load(weights, i -> layer(weights, i, scale));
    }

    private static Decoder.Layer layer(Weights weights, int i, Optional<QueryScale> scale) {
        String layer = "model.layers." + i;
        SelfAttention attention = SelfAttention.rotary(weights, i, layer + ".self_attn");
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        scale.map(attention::with).orElse(attention)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.gated(weights, layer + ".mlp")));
    }
}
