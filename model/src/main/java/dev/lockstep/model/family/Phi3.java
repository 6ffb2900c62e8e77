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

/// Phi-3 (Abdin et al. 2024): Llama with q, k and v in one matrix, gate and up in another, and
/// LongRoPE in the models of long context.
public final class Phi3 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Phi3ForCausalLM", "phi3");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.mergedQkv(weights, layer + ".self_attn.qkv_proj"),
                                SelfAttention.output(weights, layer + ".self_attn.o_proj"))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.gated(
                                weights,
                                FeedForward.mergedGateUp(weights, layer + ".mlp.gate_up_proj"),
                                FeedForward.down(weights, layer + ".mlp.down_proj"))));
    }
}
