// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LatentAttention;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryScale;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.Router;
import java.util.Optional;
import java.util.Set;

/// DeepSeek-V2 and V3 (DeepSeek-AI 2024), Kimi K2, GLM-4.7-Flash, Mistral 4, whose queries grow
/// with the position, and Youtu-LLM, which is dense: latent attention, dense layers first, and then
/// a mixture of experts beside shared ones, chosen with a correction since V3:
///
/// ```
/// residual += latentAttention(n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n)
/// ```
public final class DeepSeek implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of(
                "DeepseekV2ForCausalLM",
                "DeepseekV3ForCausalLM",
                "Glm4MoeLiteForCausalLM",
                "Mistral4ForCausalLM",
                "YoutuForCausalLM",
                "deepseek2");
    }

    @Override
    public Model load(Weights weights) {
        Optional<QueryScale> scale = QueryScale.load(weights);
        return Decoder.load(weights, i -> layer(weights, i, scale));
    }

    private static Decoder.Layer layer(Weights weights, int i, Optional<QueryScale> scale) {
        String layer = "model.layers." + i;
        LatentAttention attention = LatentAttention.load(weights, i, layer + ".self_attn");
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        scale.map(attention::with).orElse(attention)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, i, layer + ".mlp")));
    }

    private static FeedForward feedForward(Weights weights, int i, String mlp) {
        if (weights.config().details().experts().isEmpty()) {
            return FeedForward.gated(weights, mlp);
        }
        if (!weights.config().hasExperts(i)) {
            return FeedForward.dense(weights, mlp);
        }
        // Mistral 4 has all experts in one tensor.
        ExpertSource experts = ExpertSource.mergedOrSeparate(weights, mlp + ".experts");
        return MixtureOfExperts.load(weights, router(weights, mlp + ".gate"), experts)
                .withShared(weights, mlp + ".shared_experts");
    }

    private static Router router(Weights weights, String gate) {
        return switch (weights.config().details().experts().orElseThrow().score()) {
            case SOFTMAX -> Router.load(weights, gate);
            case SIGMOID -> Router.corrected(weights, gate, gate + ".e_score_correction_bias");
        };
    }
}
