// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// OLMoE (Muennighoff et al. 2024): norms of the whole q and the whole k, and a mixture of experts:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n)
/// ```
public final class Olmoe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("OlmoeForCausalLM", "olmoe");
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
                                .with(QueryKeyNorm.perVector(weights, attention))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        MixtureOfExperts.load(
                                weights,
                                layer + ".mlp.gate",
                                ExpertSource.Separate.of(layer + ".mlp.experts"))));
    }
}
