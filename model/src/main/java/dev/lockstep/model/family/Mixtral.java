// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// Mixtral (Jiang et al. 2024): Llama's attention, and in each layer eight experts of which a token
/// uses two:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += Σ over the chosen experts e of routerₑ(n) · expertₑ(n)
/// ```
public final class Mixtral implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("MixtralForCausalLM", "mixtral");
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
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        experts(weights, layer)));
    }

    /// GGUF files have all experts of a layer in one tensor, under other names.
    private static MixtureOfExperts experts(Weights weights, String layer) {
        String block = layer + ".block_sparse_moe";
        if (weights.has(block + ".gate.weight")) {
            return MixtureOfExperts.load(
                    weights,
                    block + ".gate",
                    new ExpertSource.Separate(block + ".experts", "w1", "w3", "w2"));
        }
        return MixtureOfExperts.load(
                weights, layer + ".mlp.gate", ExpertSource.Separate.of(layer + ".mlp.experts"));
    }
}
