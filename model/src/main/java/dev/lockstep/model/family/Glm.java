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

/// GLM-4 (Team GLM 2024): a rope that turns adjacent pairs of half of a head, biases on q, k and v,
/// gate and up in one matrix. The models of 2025 norm the outputs of attention and feed-forward
/// too:
///
/// ```
/// residual += norm(Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n))
/// residual += norm(Wdown · (silu(Wgate · n) ⊙ (Wup · n)))
/// ```
public final class Glm implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GlmForCausalLM", "Glm4ForCausalLM", "glm4");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        ResidualBranch attend =
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.qkvOfPairs(weights, attention),
                                SelfAttention.output(weights, attention + ".o_proj")));
        ResidualBranch feedForward =
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.gated(
                                weights,
                                FeedForward.mergedGateUp(weights, layer + ".mlp.gate_up_proj"),
                                FeedForward.down(weights, layer + ".mlp.down_proj")));
        if (weights.config().architecture().equals("GlmForCausalLM")) {
            return new Decoder.Layer(attend, feedForward);
        }
        return new Decoder.Layer(
                attend.withPostNorm(Norm.rms(weights, layer + ".post_self_attn_layernorm")),
                feedForward.withPostNorm(Norm.rms(weights, layer + ".post_mlp_layernorm")));
    }
}
