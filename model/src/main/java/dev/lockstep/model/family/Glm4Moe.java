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

/// GLM-4.5, 4.6 and 4.7 (GLM-4.5 Team 2025), Solar Open (Upstage 2025): Llama with a rope of half a
/// head, biases of q, k and v, norms of the heads of q and k in some models, dense layers first,
/// and then DeepSeek-V3's mixture:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n)
/// ```
public final class Glm4Moe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Glm4MoeForCausalLM", "SolarOpenForCausalLM", "glm4moe");
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
                        attention(weights, i, attention)),
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

    private static SelfAttention attention(Weights weights, int i, String attention) {
        SelfAttention plain = SelfAttention.rotary(weights, i, attention);
        return weights.has(attention + ".q_norm.weight")
                ? plain.with(QueryKeyNorm.perHead(weights, attention, 0))
                : plain;
    }
}
