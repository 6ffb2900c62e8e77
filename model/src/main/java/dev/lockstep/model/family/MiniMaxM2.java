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
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// MiniMax-M2 (MiniMax 2025): norms of the whole q and the whole k, a rope of a part of each head,
/// and experts that are scored one by one and chosen with a correction:
///
/// ```
/// residual += Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n)
/// ```
public final class MiniMaxM2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("MiniMaxM2ForCausalLM", "minimax-m2");
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
                        experts(weights, layer + ".block_sparse_moe")));
    }

    private static MixtureOfExperts experts(Weights weights, String block) {
        Router router =
                Router.corrected(weights, block + ".gate", block + ".e_score_correction_bias");
        return MixtureOfExperts.load(
                weights, router, new ExpertSource.Separate(block + ".experts", "w1", "w3", "w2"));
    }
}
