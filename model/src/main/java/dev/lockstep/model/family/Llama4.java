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
import dev.lockstep.model.layer.QueryScale;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.SharedExpert;
import java.util.Optional;
import java.util.Set;

/// Llama 4 (Meta 2025), text: layers with a rope of adjacent pairs that attend in chunks, with
/// norms of q and k in some models; layers without rope, whose queries grow with the position;
/// experts whose weights multiply their inputs, beside a shared one:
///
/// ```
/// residual += Wo · attention(norm(rotary(Wq · n)), norm(rotary(Wk · n)), Wv · n)    or
/// residual += Wo · attention(scale · Wq · n, Wk · n, Wv · n)
/// residual += Σ over the chosen experts e of expertₑ(routerₑ(n) · n) + shared(n)    or
/// residual += Wdown · (silu(Wgate · n) ⊙ (Wup · n))
/// ```
public final class Llama4 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Llama4ForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        Optional<QueryScale> scale = QueryScale.load(weights);
        return Decoder.load(weights, i -> layer(weights, i, scale));
    }

    private static Decoder.Layer layer(Weights weights, int i, Optional<QueryScale> scale) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        attention(weights, i, layer + ".self_attn", scale)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, i, layer + ".feed_forward")));
    }

    private static SelfAttention attention(
            Weights weights, int i, String attention, Optional<QueryScale> scale) {
        SelfAttention plain =
                SelfAttention.rotary(
                        weights,
                        i,
                        SelfAttention.qkvOfPairs(weights, attention),
                        SelfAttention.output(weights, attention + ".o_proj"));
        if (weights.config().details().positions().withoutRope().contains(i)) {
            return scale.map(plain::with).orElse(plain);
        }
        // A rotation keeps the mean square, so the norm may come first.
        return weights.config().attention().unitNorm()
                ? plain.with(QueryKeyNorm.unit(weights))
                : plain;
    }

    private static FeedForward feedForward(Weights weights, int i, String mlp) {
        if (!weights.config().hasExperts(i)) {
            return FeedForward.dense(weights, mlp);
        }
        String experts = mlp + ".experts";
        // Files with quantized experts have a matrix for each.
        ExpertSource source =
                weights.has(experts + ".gate_up_proj")
                        ? new ExpertSource.Transposed(experts)
                        : ExpertSource.Separate.of(experts);
        return MixtureOfExperts.ofWeightedInputs(
                        weights, Router.load(weights, mlp + ".router"), source)
                .with(SharedExpert.load(weights, mlp + ".shared_expert"));
    }
}
