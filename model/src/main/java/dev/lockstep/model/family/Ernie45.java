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

/// ERNIE 4.5 (Baidu 2025) and Helium (Kyutai 2025), dense: Llama with a rope that turns adjacent
/// pairs.
public final class Ernie45 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Ernie4_5ForCausalLM", "ernie4_5", "HeliumForCausalLM");
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
                        FeedForward.gated(weights, layer + ".mlp")));
    }
}
