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

/// OLMo 2 (OLMo et al. 2025): Llama with the norms after attention and feed-forward instead of
/// before them, and norms of the whole q and the whole k; with r the residual, not normed:
///
/// ```
/// residual += norm(Wo · attention(rotary(norm(Wq · r)), rotary(norm(Wk · r)), Wv · r))
/// residual += norm(Wdown · (silu(Wgate · r) ⊙ (Wup · r)))
/// ```
public final class Olmo2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Olmo2ForCausalLM", "Olmo3ForCausalLM", "olmo2");
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
                                Norm.none(weights),
                                SelfAttention.rotary(weights, i, attention)
                                        .with(QueryKeyNorm.perVector(weights, attention)))
                        .withPostNorm(Norm.rms(weights, layer + ".post_attention_layernorm")),
                ResidualBranch.of(Norm.none(weights), FeedForward.gated(weights, layer + ".mlp"))
                        .withPostNorm(Norm.rms(weights, layer + ".post_feedforward_layernorm")));
    }
}
