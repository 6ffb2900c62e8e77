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
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// dots.llm1 (rednote-hilab 2025): Qwen3's attention, dense layers first, and then DeepSeek-V3's
/// mixture:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n)
/// ```
public final class Dots1 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Dots1ForCausalLM", "dots1");
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
        if (!weights.config().hasExperts(i)) {
            return FeedForward.dense(weights, mlp);
        }
        Router router =
                Router.corrected(weights, mlp + ".gate", mlp + ".gate.e_score_correction_bias");
        return MixtureOfExperts.load(weights, router, ExpertSource.Separate.of(mlp + ".experts"))
                .withShared(weights, mlp + ".shared_experts");
    }
}
