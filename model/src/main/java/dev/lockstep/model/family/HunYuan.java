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

/// Hunyuan V1 (Tencent 2025): Llama with norms of the heads of q and k after the rotation, and a
/// rope whose base is stretched. The mixture adds a shared expert to the chosen ones:
///
/// ```
/// residual += Wo · attention(norm(rotary(Wq · n)), norm(rotary(Wk · n)), Wv · n)
/// residual += Wdown · (silu(Wgate · n) ⊙ (Wup · n))     or
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n)
/// ```
public final class HunYuan implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("HunYuanDenseV1ForCausalLM", "HunYuanMoEV1ForCausalLM", "hunyuan-dense");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        QueryKeyNorm norm =
                QueryKeyNorm.perHead(
                        weights, attention + ".query_layernorm", attention + ".key_layernorm", 0);
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, attention).withRotated(weights, norm)),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, layer + ".mlp")));
    }

    private static FeedForward feedForward(Weights weights, String mlp) {
        if (weights.config().details().experts().isEmpty()) {
            return FeedForward.gated(weights, mlp);
        }
        return MixtureOfExperts.load(
                        weights, mlp + ".gate.wg", ExpertSource.Separate.of(mlp + ".experts"))
                .withShared(weights, mlp + ".shared_mlp");
    }
}
