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
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// ERNIE 4.5 (Baidu 2025), its mixtures: a rope of adjacent pairs, dense layers first, and then
/// experts that are weighted by a softmax and chosen with a correction, beside shared ones:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n)
/// ```
public final class Ernie45Moe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Ernie4_5_MoeForCausalLM", "ernie4_5-moe");
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
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.qkvOfPairs(weights, attention),
                                SelfAttention.output(weights, attention + ".o_proj"))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, i, layer + ".mlp")));
    }

    private static FeedForward feedForward(Weights weights, int i, String mlp) {
        if (!weights.config().hasExperts(i)) {
            return FeedForward.dense(weights, mlp);
        }
        Router router =
                Router.corrected(
                        weights, mlp + ".gate", mlp + ".moe_statics.e_score_correction_bias");
        return MixtureOfExperts.load(weights, router, ExpertSource.Separate.of(mlp + ".experts"))
                .withShared(weights, mlp + ".shared_experts");
    }
}
