// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// Qwen3-MoE (Yang et al. 2025): Qwen3's attention, and a mixture of experts in place of the
/// feed-forward of most layers:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n)
/// ```
public final class Qwen3Moe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Qwen3MoeForCausalLM", "qwen3moe", "qwen3vlmoe");
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
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, attention)
                                .with(QueryKeyNorm.perHead(weights, attention, 0))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, i, layer + ".mlp")));
    }

    private static FeedForward feedForward(Weights weights, int i, String mlp) {
        return weights.config().hasExperts(i)
                ? MixtureOfExperts.load(weights, mlp + ".gate", experts(weights, mlp + ".experts"))
                : FeedForward.dense(weights, mlp);
    }

    /// Qwen3-VL has all experts in one tensor, published as `[inputs, outputs]`; the outputs of the
    /// last matrix are the hidden size.
    private static ExpertSource experts(Weights weights, String experts) {
        String down = experts + ".down_proj";
        return weights.has(down) && weights.columns(down) == weights.config().hiddenSize()
                ? new ExpertSource.Transposed(experts)
                : ExpertSource.mergedOrSeparate(weights, experts);
    }
}
